package falsim

import (
	"errors"

	"imagerun/internal/simulators/kit/knobs"
)

// checkValues says what no simulator could do: a name that it does not know, a share above one, a count below zero. So
// a slip of the pen is refused instead of switching nothing on.
func (k *Knobs) checkValues() error {
	return errors.Join(
		knobs.CheckOneOf("jwks", k.JWKS, []string{"", "more", "late", "none"}),
		knobs.CheckOneOf("media", k.Media, append(Poisons(), "")),
		knobs.CheckOneOf("ending", k.Ending, append(Endings(), "")),
		knobs.CheckOneOf("webhook_fault", k.WebhookFault, append(WebhookFaults(), "")),
		knobs.CheckShare("jitter", k.Jitter),
		knobs.CheckCounts(k, "clock_skew_ms"),
		k.Chaos.Check(Faults()),
	)
}
