package httpapi

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// ConnLimits bound what callers hold open before anything is known of them.
type ConnLimits struct {
	Total      int
	PerAddress int // of an IPv4 address or an IPv6 network of 64 bits
	// Trusted are our load balancers, which speak for many. Addresses that are not public count as theirs.
	Trusted []netip.Prefix
	Metrics *Metrics
}

// LimitConns returns l without the connections that are beyond the limits: they are closed at once, so
// that the load balancer tries another process, and a flood costs no memory.
func LimitConns(l net.Listener, limits ConnLimits) net.Listener {
	return &limitedListener{Listener: l, limits: limits, open: map[netip.Addr]int{}}
}

type limitedListener struct {
	net.Listener

	limits ConnLimits

	mu    sync.Mutex // guards the fields below
	total int
	open  map[netip.Addr]int // no zeros
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}

		address := l.limits.countedAddress(c.RemoteAddr())
		if l.acquireSlot(address) {
			return &limitedConn{Conn: c, release: sync.OnceFunc(func() { l.releaseSlot(address) })}, nil
		}

		l.limits.Metrics.refused.Inc()
		_ = c.Close() // nothing was said on it
	}
}

func (l *limitedListener) acquireSlot(address netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.total >= l.limits.Total || address.IsValid() && l.open[address] >= l.limits.PerAddress {
		return false
	}

	l.total++

	if address.IsValid() {
		l.open[address]++
	}

	return true
}

func (l *limitedListener) releaseSlot(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.total--

	if !address.IsValid() {
		return
	}

	if l.open[address]--; l.open[address] == 0 {
		delete(l.open, address)
	}
}

// countedAddress returns what a connection counts for beside the total; the zero Addr: for nothing.
func (c ConnLimits) countedAddress(remote net.Addr) netip.Addr {
	peer, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return netip.Addr{}
	}

	addr := peer.Addr().Unmap().WithZone("")
	trusted := slices.ContainsFunc(c.Trusted, func(p netip.Prefix) bool { return p.Contains(addr) })

	if trusted || addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return netip.Addr{}
	}

	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked().Addr() // one subscriber has all of it
	}

	return addr
}

// limitedConn makes room when it is closed.
type limitedConn struct {
	net.Conn

	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()

	return c.Conn.Close()
}
