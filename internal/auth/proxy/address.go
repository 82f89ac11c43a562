package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientAddress says where a request comes from. The zero value believes the connection alone.
type ClientAddress struct {
	// Header is where our own load balancers write the client they speak for, such as X-Forwarded-For;
	// empty when there are none.
	Header string
	// Trusted are the addresses of those load balancers.
	Trusted []netip.Prefix
}

// Of returns the address of the client that sent r: the peer of the connection, and if that is one of our load
// balancers, the last address in its header that is not. What a client writes stands further left
// and is never reached. The zero Addr means that it is unknown.
func (c ClientAddress) Of(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}

	addr := peer.Addr().Unmap().WithZone("")
	if c.Header == "" {
		return addr
	}

	hops := strings.Split(strings.Join(r.Header.Values(c.Header), ","), ",")

	for _, hop := range slices.Backward(hops) {
		if !c.isTrusted(addr) {
			break
		}

		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}

		addr = next.Unmap().WithZone("")
	}

	return addr
}

func (c ClientAddress) isTrusted(addr netip.Addr) bool {
	return slices.ContainsFunc(c.Trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}
