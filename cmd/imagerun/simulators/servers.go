package simulators

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// servers are the listeners of one simulator.
type servers struct {
	vendor string
	list   []*http.Server
}

// listen serves a handler on an address, and returns the URL.
func (s *servers) listen(addr string, handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen for the %s simulator: %w", s.vendor, err)
	}

	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	s.list = append(s.list, server)

	go func() { _ = server.Serve(listener) }()

	return "http://" + listener.Addr().String(), nil
}

// shutDown ends what is served, within a second.
func (s *servers) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()

	for _, server := range s.list {
		_ = server.Shutdown(ctx)
	}
}
