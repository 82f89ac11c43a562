package creemsim

import (
	"errors"

	"imagerun/internal/simulators/kit"
	"imagerun/internal/simulators/kit/chaos"
	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/knobs"
)

// The forms of bodies.
const (
	BodiesSchema     = "schema"     // as Creem's OpenAPI and its SDK have them
	BodiesDocumented = "documented" // as the samples in its documentation
)

// Knobs are the settings that can be turned while it runs, here with [Sim.SetKnobs] or on the control surface.
// The zero value has nothing go wrong.
type Knobs struct {
	LatencyMS int64 `json:"latency_ms"` // added to every answer

	LoseWebhooks    bool  `json:"lose_webhooks"`     // none is sent; the pull feed has them still
	DoubleWebhooks  bool  `json:"double_webhooks"`   // each is sent twice
	ReorderWebhooks bool  `json:"reorder_webhooks"`  // those of one cause come in reverse, a second apart on the clock
	DelayWebhooksMS int64 `json:"delay_webhooks_ms"` // each is sent so long after its hour
	// WebhookFault is how webhooks are sent: "" as they should, or one of WebhookFaults.
	WebhookFault string `json:"webhook_fault"`

	// Bodies is the form of bodies: "" or BodiesSchema, or BodiesDocumented.
	Bodies string `json:"bodies"`
	// FailRenewals has every renewal declined: past_due, tried three times more, then unpaid, then expired.
	FailRenewals bool `json:"fail_renewals"`
	// PendingRefunds has refunds begin as pending; an hour later they have succeeded, and no event tells of it.
	PendingRefunds bool `json:"pending_refunds"`
	// StaleUpdates has the subscription.update after a plan change carry the old plan.
	StaleUpdates bool `json:"stale_updates"`
	// MovingPages has a stranger's payment come in at the front between two pages of transactions.
	MovingPages bool `json:"moving_pages"`
	// LimitEveryNth refuses every nth call with 429, without Retry-After. 0: none.
	LimitEveryNth int `json:"limit_every_nth"`

	// Chaos spoils a share of everything, each in one of the ways of Faults. Rules win over it.
	Chaos chaos.Knobs `json:"chaos"`
}

// kitKnobs are the kit's among the knobs.
func (k *Knobs) kitKnobs() kit.Knobs { return kit.Knobs{LatencyMS: k.LatencyMS, Chaos: k.Chaos} }

// checkValues says what no simulator could do.
func (k *Knobs) checkValues() error {
	return errors.Join(
		knobs.CheckOneOf("bodies", k.Bodies, []string{"", BodiesSchema, BodiesDocumented}),
		knobs.CheckOneOf("webhook_fault", k.WebhookFault, append(WebhookFaults(), "")),
		knobs.CheckCounts(k),
		k.Chaos.Check(Faults()),
	)
}

// Faults is the table of everything that chaos does: to calls, and to deliveries.
func Faults() []chaos.Fault {
	return append(chaos.CallFaults(callRoutes(), callRoutes()), deliveries.Policy{Faults: webhookFaults()}.Table()...)
}

// Knobs returns the settings.
func (s *Sim) Knobs() Knobs {
	s.mu.Lock()
	defer s.mu.Unlock()

	k := s.knobs
	k.Chaos = k.Chaos.Clone()

	return k
}

// SetKnobs changes the settings for what happens from now on.
func (s *Sim) SetKnobs(change func(*Knobs)) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.Clock.Advance()
	change(&s.knobs)
	s.Tune(s.knobs.kitKnobs())
}

// turnKnobs turns them all, or none if one is wrong.
func (s *Sim) turnKnobs(next Knobs) error {
	if err := next.checkValues(); err != nil {
		return err
	}

	s.SetKnobs(func(k *Knobs) { *k = next })

	return nil
}
