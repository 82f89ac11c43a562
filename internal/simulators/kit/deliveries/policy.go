package deliveries

import (
	"net/http"
	"time"

	"imagerun/internal/simulators/kit/chaos"
)

// Route is what chaos calls a delivery, as it does the routes of calls.
const Route = "webhook"

// Policy is how a vendor delivers. All of it is called with the simulator's lock held.
type Policy struct {
	// Sign returns the headers of one try, and the body to send. Needed.
	Sign func(d *Delivery) (http.Header, []byte)
	// Timeout is how long a try waits for its answer. Tries are counted from one. Nil: 30 s.
	Timeout func(try int) time.Duration
	// Accepts reports whether a status is a delivery. Nil: any 2xx is.
	Accepts func(status int) bool
	// Retry says how long after a try that failed the next one comes; false: it was the last. [After] makes
	// one of a list of waits. Nil: the first try is the last.
	Retry func(d *Delivery) (time.Duration, bool)
	// Faults are the ways to falsify a delivery.
	Faults []Fault
}

// Fault is a way to falsify a delivery: its body before it is signed, or its headers after. What it does to
// the signature itself, the policy's Sign does by the fault's name.
type Fault struct {
	Name   string
	What   string
	Body   func(body []byte) []byte
	Header func(h http.Header)
}

// After is a schedule of retries: after the first try that failed the first wait, and so on to the end.
func After(waits ...time.Duration) func(*Delivery) (time.Duration, bool) {
	return func(d *Delivery) (time.Duration, bool) {
		if d.Tries > len(waits) {
			return 0, false
		}

		return waits[d.Tries-1], true
	}
}

// Names lists the policy's faults.
func (p Policy) Names() []string {
	var names []string
	for _, f := range p.Faults {
		names = append(names, f.Name)
	}

	return names
}

// Table is the part of chaos for webhooks.
func (p Policy) Table() []chaos.Fault {
	list := []chaos.Fault{
		{Name: "lost", What: "never sent"},
		{Name: "doubled", What: "sent twice"},
		{Name: "storm", What: "sent twenty times at once"},
		{Name: "late", What: "sent ten times chaos.hold_ms after its hour, so out of order"},
	}
	for _, f := range p.Faults {
		list = append(list, chaos.Fault{Name: f.Name, What: f.What})
	}

	for i := range list {
		list[i].Routes = []string{Route}
	}

	return list
}

func (p Policy) findFault(name string) Fault {
	for _, f := range p.Faults {
		if f.Name == name {
			return f
		}
	}

	return Fault{}
}
