package kit

import "imagerun/internal/simulators/kit/deliveries"

// Counts are what happened since the start or the last reset.
type Counts struct {
	Calls      map[string]int64  `json:"calls"` // by route, spoiled ones included
	Deliveries deliveries.Counts `json:"deliveries"`
	// Considered is what chaos looked at: calls, deliveries, and what else the vendor has. Faults counts what
	// it did, under "route/name".
	Considered int64            `json:"considered"`
	Faults     map[string]int64 `json:"faults"`
}

// Counts returns the counts. The caller holds the lock.
func (k *Kit) Counts() Counts {
	c := Counts{Calls: k.log.Counts(), Deliveries: k.Courier.Counts()}
	c.Considered, c.Faults = k.Monkey.Counts()

	return c
}
