package httpapi_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"imagerun/internal/httpapi"
)

// from is a connection of an address. It says when it is closed.
type from struct {
	net.Conn

	address string
	closed  bool
}

func (f *from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.address))
}

func (f *from) Close() error {
	f.closed = true

	return nil
}

// offered is a listener that has these connections, and then no more.
type offered struct {
	net.Listener

	conns []*from
}

func (o *offered) Accept() (net.Conn, error) {
	if len(o.conns) == 0 {
		return nil, net.ErrClosed
	}

	c := o.conns[0]
	o.conns = o.conns[1:]

	return c, nil
}

func TestLimitConns(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		addresses []string
		taken     int
	}{
		"OfOneAddress":   {[]string{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:3", "198.51.100.2:1"}, 3},
		"OfOneNetwork":   {[]string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8:0:1::1]:1"}, 3},
		"MappedIsTheIP4": {[]string{"198.51.100.1:1", "[::ffff:198.51.100.1]:2", "198.51.100.1:3"}, 2},
		"InAll":          {[]string{"198.51.100.1:1", "198.51.100.2:1", "198.51.100.3:1", "198.51.100.4:1", "198.51.100.5:1", "198.51.100.6:1"}, 5},
		"Trusted":        {[]string{"203.0.113.9:1", "203.0.113.9:2", "203.0.113.9:3"}, 3},
		"NotPublic":      {[]string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "127.0.0.1:1", "[fd00::1]:1", "[::1]:1"}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			conns := make([]*from, len(c.addresses))
			for i, address := range c.addresses {
				conns[i] = &from{address: address}
			}

			inner := &offered{conns: conns}
			metrics := httpapi.NewMetrics()
			l := httpapi.LimitConns(inner, httpapi.ConnLimits{
				Total: 5, PerAddress: 2, Trusted: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, Metrics: metrics,
			})

			take := func() (taken []net.Conn) {
				for {
					conn, err := l.Accept()
					if err != nil {
						return taken
					}

					taken = append(taken, conn)
				}
			}

			taken := take()
			require.Len(t, taken, c.taken)

			refused := 0

			for _, conn := range conns {
				if conn.closed {
					refused++
				}
			}

			require.Equal(t, len(conns)-c.taken, refused)
			require.InDelta(t, refused, refusedConns(t, metrics), 0)

			// Each makes room once, however often it is closed.
			for _, conn := range taken {
				require.NoError(t, conn.Close())
				require.NoError(t, conn.Close())
			}

			inner.conns = conns
			require.Len(t, take(), c.taken)
		})
	}
}

func refusedConns(t *testing.T, m *httpapi.Metrics) float64 {
	t.Helper()

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m.Collectors()...)

	families, err := registry.Gather()
	require.NoError(t, err)

	for _, f := range families {
		if f.GetName() == "imagerun_http_connections_refused_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}

	return -1
}
