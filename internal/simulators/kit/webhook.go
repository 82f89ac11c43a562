package kit

import (
	"errors"
	"slices"
	"time"

	"imagerun/internal/simulators/kit/deliveries"
)

// Deliver plans a delivery for its hour, as chaos has it. The caller holds the lock.
func (k *Kit) Deliver(d *deliveries.Delivery, due time.Time) {
	if f := k.Monkey.Choose(deliveries.Route); f != nil {
		k.Courier.PlanSpoiled(d, due, f.Name, k.ChaosHold())

		return
	}

	k.Courier.Plan(d, due)
}

// Deliveries lists the webhooks, the oldest first.
func (k *Kit) Deliveries() []deliveries.Delivery {
	k.lock.Lock()
	defer k.lock.Unlock()

	return k.Courier.List()
}

// SendWebhook posts the webhook of an event now: again, or with one of the vendor's faults.
// Target and body replace the event's own when not empty.
func (k *Kit) SendWebhook(event, fault, target string, body []byte) error {
	k.lock.Lock()
	defer k.lock.Unlock()

	k.Clock.Advance()

	if k.vendor.Deliveries.Sign == nil {
		return errors.New("this vendor has no webhooks")
	}

	if fault != "" && !slices.Contains(k.Courier.Policy().Names(), fault) {
		return errors.New("no such fault")
	}

	d := &deliveries.Delivery{Event: event, URL: target, Fault: fault, Until: k.Clock.Now().Add(time.Hour), Body: body}

	if own, notice, ok := k.vendor.Notice(event); ok {
		if d.URL == "" {
			d.URL = own
		}

		if len(d.Body) == 0 {
			d.Body = notice
			k.Courier.Falsify(d, fault)
		}
	}

	if d.URL == "" || len(d.Body) == 0 {
		return errors.New("no such event to tell of, and no target and body given")
	}

	k.Courier.Plan(d, k.Clock.Now())
	k.Clock.Advance()

	return nil
}
