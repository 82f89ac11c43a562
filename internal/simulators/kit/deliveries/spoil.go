package deliveries

import "time"

// storm is how many there are of a delivery that comes in a storm.
const storm = 20

// Falsify puts a fault of the policy's into a delivery that was not planned yet.
func (c *Courier) Falsify(d *Delivery, fault string) {
	d.Fault = fault

	if change := c.policy.findFault(fault).Body; change != nil {
		d.Body = change(d.Body)
	}
}

// Lose remembers a delivery that is never sent.
func (c *Courier) Lose(d *Delivery) {
	d.State = Lost
	c.counts.Lost++
	c.keepDelivery(d)
}

// Double plans a delivery twice.
func (c *Courier) Double(d *Delivery, due time.Time) { c.planCopies(d, due, 2) }

func (c *Courier) planCopies(d *Delivery, due time.Time, times int) {
	c.counts.Doubled += int64(times - 1)

	for range times {
		twin := *d
		c.Plan(&twin, due)
	}
}

// PlanSpoiled plans a delivery as chaos says, by a name of the policy's table: a late one comes ten times as
// long after its hour as chaos holds calls.
func (c *Courier) PlanSpoiled(d *Delivery, due time.Time, name string, hold time.Duration) {
	d.Chaos = name

	switch name {
	case "lost":
		c.Lose(d)
	case "doubled":
		c.Double(d, due)
	case "storm":
		c.planCopies(d, due, storm)
	case "late":
		c.Plan(d, due.Add(10*hold))
	default:
		c.Falsify(d, name)
		c.Plan(d, due)
	}
}
