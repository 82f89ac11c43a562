package creemsim

import (
	"net/http"
	"slices"
)

// The ways to charge for a change of plan. The middle one is the older name of the first.
const (
	prorateNow  = "proration-charge-immediately"
	prorateOld  = "proration-charge"
	prorateNone = "proration-none"
)

func (s *Sim) routeSubscriptions(mux *http.ServeMux) {
	mux.Handle("GET /v1/subscriptions", s.serveAPI(RouteSubscriptions, func(c *call) (any, error) {
		sub, err := s.findSubscription(c.readQuery("subscription_id"))
		if err != nil {
			return nil, err
		}

		return renderSubscription(sub), nil
	}))
	mux.Handle("GET /v1/subscriptions/search", s.serveAPI(RouteSubscriptions, func(c *call) (any, error) {
		return listPage(c, 10, newestFirst(s.subscriptions), renderSubscription)
	}))

	for path, change := range map[string]func(*call, *subscription) error{
		"": s.updateUnits, "/upgrade": s.upgradePlan, "/cancel": s.requestCancel, "/pause": s.requestPause, "/resume": s.requestResume,
	} {
		mux.Handle("POST /v1/subscriptions/{id}"+path, s.serveAPI(RouteSubscriptionChanges, func(c *call) (any, error) {
			sub, err := s.findSubscription(c.r.PathValue("id"))
			if err != nil {
				return nil, err
			}

			if err := change(c, sub); err != nil {
				return nil, err
			}

			return renderSubscription(sub), nil
		}))
	}
}

// requireStatus refuses what a subscription in its state cannot have.
func (sub *subscription) requireStatus(known ...string) error {
	if slices.Contains(known, sub.status) {
		return nil
	}

	return badRequest("Subscription is " + sub.status)
}

// requestCancel cancels now, or at the end of the period; there it may pause instead. Without a mode the store's own
// setting decides, which here is now.
func (s *Sim) requestCancel(c *call, sub *subscription) error {
	var in struct {
		Mode      string `json:"mode"`
		OnExecute string `json:"onExecute"`
	}
	if err := c.readBody(&in); err != nil {
		return err
	}

	if in.OnExecute != "" && (in.Mode != "scheduled" || in.OnExecute != "cancel" && in.OnExecute != "pause") {
		return badRequest("onExecute must be one of the following values: cancel, pause; only with mode scheduled")
	}

	switch in.Mode {
	case "", "immediate":
		if err := sub.requireStatus(statusActive, statusTrialing, statusPastDue, statusUnpaid, statusPaused, statusScheduledCancel); err != nil {
			return err
		}

		s.cancelSubscription(sub, c.now)

		return nil
	case "scheduled":
		if err := sub.requireStatus(statusActive, statusTrialing); err != nil {
			return err
		}

		sub.status, sub.pausesAtEnd, sub.updated = statusScheduledCancel, in.OnExecute == "pause", c.now
		s.emit(c.now, noticeOf("scheduled_cancel", sub))

		return nil
	default:
		return badRequest("mode must be one of the following values: immediate, scheduled")
	}
}

func (s *Sim) requestPause(c *call, sub *subscription) error {
	if err := sub.requireStatus(statusActive, statusTrialing); err != nil {
		return err
	}

	s.pauseSubscription(sub, c.now)

	return nil
}

func (s *Sim) requestResume(c *call, sub *subscription) error {
	if err := sub.requireStatus(statusPaused, statusScheduledCancel); err != nil {
		return err
	}

	s.resumeSubscription(sub, c.now)

	return nil
}

// updateUnits changes the one item that a subscription has here: its units, or its product.
func (s *Sim) updateUnits(c *call, sub *subscription) error {
	var in struct {
		Items []struct {
			ID      string `json:"id"`
			Product string `json:"product_id"`
			Units   *int   `json:"units"`
		} `json:"items"`
		Behavior string `json:"update_behavior"`
	}
	if err := c.readBody(&in); err != nil {
		return err
	}

	to := plan{sub.product, sub.units}

	for _, item := range in.Items {
		if len(in.Items) > 1 || item.ID != "" && item.ID != sub.itemID {
			return badRequest("items must name the item of the subscription")
		}

		if item.Units != nil {
			to.units = *item.Units
		}

		if item.Product != "" {
			p, err := s.findProduct(item.Product)
			if err != nil {
				return err
			}

			to.product = p
		}
	}

	if in.Behavior == "" {
		in.Behavior = prorateOld
	}

	return s.changePlan(sub, to, in.Behavior, c.now)
}

func (s *Sim) upgradePlan(c *call, sub *subscription) error {
	var in struct {
		Product  string `json:"product_id"`
		Behavior string `json:"update_behavior"`
	}
	if err := c.readBody(&in); err != nil {
		return err
	}

	p, err := s.findProduct(in.Product)
	if err != nil {
		return err
	}

	if in.Behavior == "" {
		in.Behavior = prorateNow
	}

	return s.changePlan(sub, plan{p, sub.units}, in.Behavior, c.now)
}
