package simulators

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"imagerun/internal/simulators/falsim"
)

// Fal is a simulator of fal.ai on two listeners.
type Fal struct {
	URL        string
	ControlURL string // of its control surface

	sim     *falsim.Sim
	servers []*http.Server
}

// StartFal listens on both addresses, and serves until [Fal.Stop].
func StartFal(addr, control string, o falsim.Options) (*Fal, error) {
	s := &Fal{sim: falsim.New(o)}

	for _, l := range []struct {
		addr    string
		handler http.Handler
		url     *string
	}{{addr, s.sim.Handler(), &s.URL}, {control, s.sim.Control(), &s.ControlURL}} {
		listener, err := net.Listen("tcp", l.addr)
		if err != nil {
			s.Stop()

			return nil, fmt.Errorf("listen for the fal.ai simulator: %w", err)
		}

		server := &http.Server{Handler: l.handler, ReadHeaderTimeout: 10 * time.Second}
		*l.url = "http://" + listener.Addr().String()
		s.servers = append(s.servers, server)

		go func() { _ = server.Serve(listener) }()
	}

	return s, nil
}

// Stop ends what it serves, within a second, and the simulator.
func (s *Fal) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()

	for _, server := range s.servers {
		_ = server.Shutdown(ctx)
	}

	s.sim.Close()
}
