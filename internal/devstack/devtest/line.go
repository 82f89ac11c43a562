package devtest

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Line is a way to a server on which it can be as good as frozen, or refuse.
type Line struct {
	Addr string // to connect to in place of the server's

	server string

	mu      sync.Mutex
	healed  chan struct{}         // guarded by mu; closed unless the line is frozen
	refuses bool                  // guarded by mu
	conns   map[net.Conn]struct{} // guarded by mu; both ends of each connection
}

// NewLine returns a line to the server at an address. It ends with the test.
func NewLine(t testing.TB, server string) *Line {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	require.NoError(t, err)

	l := &Line{Addr: listener.Addr().String(), server: server, healed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(l.healed)

	var open sync.WaitGroup

	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}

			open.Go(func() { l.carryConnection(client) })
		}
	})

	t.Cleanup(func() {
		_ = listener.Close()

		l.Heal()
		l.Refuse()
		open.Wait()
	})

	return l
}

// Freeze has connections accepted and nothing answered, as by a server that is stopped.
func (l *Line) Freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.healed = make(chan struct{})
}

// Refuse ends every connection at once, those that are open too.
func (l *Line) Refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.refuses = true

	for c := range l.conns {
		_ = c.Close()
	}
}

// Heal undoes [Line.Freeze] and [Line.Refuse]. What was held back passes.
func (l *Line) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.refuses = false

	select {
	case <-l.healed:
	default:
		close(l.healed)
	}
}

// carryConnection passes one connection on until either side ends it.
func (l *Line) carryConnection(client net.Conn) {
	defer client.Close()

	server, err := net.Dial("tcp", l.server) //nolint:noctx // of a test
	if err != nil {
		return
	}
	defer server.Close()

	if !l.trackConns(client, server) {
		return
	}
	defer l.untrackConns(client, server)

	var back sync.WaitGroup

	back.Go(func() { l.copyDirection(client, server) })
	l.copyDirection(server, client)
	back.Wait()
}

func (l *Line) trackConns(ends ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.refuses {
		return false
	}

	for _, c := range ends {
		l.conns[c] = struct{}{}
	}

	return true
}

func (l *Line) untrackConns(ends ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()

	for _, c := range ends {
		delete(l.conns, c)
	}
}

// copyDirection copies one direction, and ends the connection with it.
func (l *Line) copyDirection(to, from net.Conn) {
	defer to.Close()
	defer from.Close()

	buf := make([]byte, 32<<10)

	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}

		l.mu.Lock()
		healed := l.healed
		l.mu.Unlock()

		<-healed

		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
