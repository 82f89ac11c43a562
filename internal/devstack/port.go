package devstack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Ports are taken below what Linux and macOS hand out to outgoing connections (32768 and
// 49152), so that a server can be restarted on the port it had.
const (
	firstPort = 20000
	lastPort  = 32000
)

// claimPort returns a free port of 127.0.0.1 and the lock that keeps other processes of this
// repository from taking it until the lock is closed. preferredPort is tried first; zero: there is none.
func (p *workspace) claimPort(preferredPort int) (int, *fileLock, error) {
	dir := filepath.Join(p.state, "ports")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, nil, fmt.Errorf("claim a port: %w", err)
	}

	for range 200 {
		port, patience := preferredPort, time.Second
		if port == 0 {
			port, patience = firstPort+rand.IntN(lastPort-firstPort), 0
		}

		preferredPort = 0

		l, err := lockFile(filepath.Join(dir, strconv.Itoa(port)), false)
		if err != nil {
			continue
		}

		if portFree(port, patience) {
			return port, l, nil
		}

		_ = l.Close()
	}

	return 0, nil, errors.New("no free port between 20000 and 32000 on 127.0.0.1")
}

// portFree reports whether port can be listened on within patience: one that was just given up
// may be held for a moment more by a child that is being started.
func portFree(port int, patience time.Duration) bool {
	deadline := time.Now().Add(patience)

	for {
		l, err := net.Listen("tcp", loopbackAddress(port))
		if err == nil {
			return l.Close() == nil
		}

		if !time.Now().Before(deadline) {
			return false
		}

		<-time.After(5 * time.Millisecond)
	}
}

func loopbackAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
