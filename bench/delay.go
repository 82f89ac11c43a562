package main

import (
	"net"
	"sync"
	"time"
)

// distant are servers behind proxies that delay what passes.
type distant struct {
	*servers

	listeners []net.Listener
	wg        sync.WaitGroup

	mu    sync.Mutex // guards all below
	conns []net.Conn
}

// withDelay returns the same servers with a round trip of rtt.
func (s *servers) withDelay(rtt time.Duration) (*distant, error) {
	near := *s
	near.via = map[string]string{}
	d := &distant{servers: &near}

	for _, target := range []string{hostOf(s.pg.OwnerURL), s.redis.Addr} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			d.stop()

			return nil, err
		}

		d.listeners = append(d.listeners, l)
		near.via[target] = l.Addr().String()

		d.wg.Go(func() { d.acceptConns(l, target, rtt/2) })
	}

	return d, nil
}

// stop ends the proxies, not the servers.
func (d *distant) stop() {
	for _, l := range d.listeners {
		_ = l.Close()
	}

	d.mu.Lock()
	for _, c := range d.conns {
		_ = c.Close()
	}
	d.mu.Unlock()

	d.wg.Wait()
}

func (d *distant) acceptConns(l net.Listener, target string, delay time.Duration) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}

		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()

			continue
		}

		d.mu.Lock()
		d.conns = append(d.conns, client, server)
		d.mu.Unlock()

		d.wg.Go(func() { copyDelayed(server, client, delay) })
		d.wg.Go(func() { copyDelayed(client, server, delay) })
	}
}

// chunk is what was read, and when it may arrive.
type chunk struct {
	data []byte
	due  time.Time
}

// copyDelayed copies from one connection to the other, each byte delayed; bandwidth is not limited.
func copyDelayed(to, from net.Conn, delay time.Duration) {
	chunks := make(chan chunk, 1024)

	go func() {
		defer close(chunks)

		for {
			buf := make([]byte, 32<<10)

			n, err := from.Read(buf)
			if n > 0 {
				chunks <- chunk{buf[:n], time.Now().Add(delay)}
			}

			if err != nil {
				return
			}
		}
	}()

	timer := time.NewTimer(0)
	<-timer.C

	for c := range chunks {
		if wait := time.Until(c.due); wait > 0 {
			timer.Reset(wait)
			<-timer.C
		}

		if _, err := to.Write(c.data); err != nil {
			break
		}
	}

	_ = to.Close()
	_ = from.Close()

	for range chunks { //nolint:revive // the reader must be able to end
	}
}
