package simulators

import "imagerun/internal/simulators/falsim"

// Fal is a simulator of fal.ai on two listeners.
type Fal struct {
	URL        string
	ControlURL string // of its control surface

	sim     *falsim.Sim
	servers servers
}

// StartFal listens on both addresses, and serves until [Fal.Stop].
func StartFal(addr, control string, o falsim.Options) (*Fal, error) {
	s := &Fal{sim: falsim.New(o), servers: servers{vendor: "fal.ai"}}

	var err error
	if s.URL, err = s.servers.listen(addr, s.sim.Handler()); err == nil {
		s.ControlURL, err = s.servers.listen(control, s.sim.Control())
	}

	if err != nil {
		s.Stop()

		return nil, err
	}

	return s, nil
}

// Stop ends what it serves, within a second, and the simulator.
func (s *Fal) Stop() {
	s.servers.shutDown()
	s.sim.Close()
}
