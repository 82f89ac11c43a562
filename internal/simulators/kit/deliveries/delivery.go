package deliveries

import "time"

// The states of a delivery.
const (
	Waiting   = "waiting"   // for its hour, or to be tried again
	Sending   = "sending"   // a try is under way
	Delivered = "delivered" // the answer to a try was accepted
	Lost      = "lost"      // on purpose: it was never sent
	Dropped   = "dropped"   // its target is inside
	Failed    = "failed"    // and not tried again
)

// Delivery is one webhook and what became of it.
type Delivery struct {
	Event string `json:"event"` // what it tells of, by the vendor's id
	URL   string `json:"url"`
	// Endpoint is the vendor's id of what is at the URL. Empty: it has none.
	Endpoint string    `json:"endpoint,omitempty"`
	State    string    `json:"state"`
	Fault    string    `json:"fault,omitempty"` // how it is falsified: one of the policy's; empty: not at all
	Tries    int       `json:"tries"`
	Status   int       `json:"status,omitempty"` // of the last try
	Error    string    `json:"error,omitempty"`
	Due      time.Time `json:"due"`
	Until    time.Time `json:"until"` // no retry after this; zero: as the policy says
	// Chaos is what chaos did to it. Empty: nothing.
	Chaos string `json:"chaos,omitempty"`

	Body []byte `json:"-"`
}
