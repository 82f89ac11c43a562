package falsim

import (
	"time"

	"imagerun/internal/simulators/kit"
)

// Knobs are the settings that can be turned while it runs, here with [Sim.SetKnobs] or on the
// control surface. Zero switches a misbehaviour off; "every" counts finished requests.
type Knobs struct {
	DurationMS int64   `json:"duration_ms"` // time an image takes
	QueueMS    int64   `json:"queue_ms"`    // least time in the queue
	Slots      int     `json:"slots"`       // how many run at once; 0: no limit
	Jitter     float64 `json:"jitter"`      // part of the duration that varies, 0–1; makes results finish out of order
	LatencyMS  int64   `json:"latency_ms"`  // added to every answer

	LoseEveryNth      int   `json:"lose_every_nth"`       // this webhook is never sent
	DoubleEveryNth    int   `json:"double_every_nth"`     // this webhook is sent twice
	ForgeEveryNth     int   `json:"forge_every_nth"`      // signed with a key that is not published
	WrongUserEveryNth int   `json:"wrong_user_every_nth"` // well signed, for another account
	StaleEveryNth     int   `json:"stale_every_nth"`      // well signed, an hour ago
	WebhookDelayMS    int64 `json:"webhook_delay_ms"`     // sent so long after the request finished
	WebhookBackoffMS  int64 `json:"webhook_backoff_ms"`   // before the first retry; doubles; 0: 1,000

	NSFWEveryNth     int   `json:"nsfw_every_nth"`    // black images and has_nsfw_concepts
	FailEveryNth     int   `json:"fail_every_nth"`    // the model answers 500
	FewerEveryNth    int   `json:"fewer_every_nth"`   // one image less than asked for
	OmitImageFacts   bool  `json:"omit_image_facts"`  // images without width, height, type and size
	DetailAsString   bool  `json:"detail_as_string"`  // errors as older models write them
	BigSeeds         bool  `json:"big_seeds"`         // answers with a seed above 2^53
	CancelStops      bool  `json:"cancel_stops"`      // a cancelled running request stops; fal does not promise it
	ExhaustedBalance bool  `json:"exhausted_balance"` // 403 for every submit
	EraseFails       bool  `json:"erase_fails"`       // files survive, with an exception in the answer
	ResultTTLMS      int64 `json:"result_ttl_ms"`     // how long a result is kept; 0: as fal does

	// OlderShapes answers as older pages of fal's say: the result's URL has the whole model id and ends
	// in /response, a cancelled request is {"success":true}, and X-Fal-Needs-Retry is beside errors.
	OlderShapes bool `json:"older_shapes"`

	// ClockSkewMS is how far fal's clock is ahead in the times that it states: of webhooks, logs
	// and the list of requests. Negative: behind.
	ClockSkewMS int64 `json:"clock_skew_ms"`
	// JWKS changes the published keys: "" as they should be, "more" beside keys of other kinds
	// and with members that fal does not document, "late" without the one that signs now, "none" no keys.
	JWKS string `json:"jwks"`
	// Media changes what the file host answers: "" as it should, or one of Poisons.
	Media string `json:"media"`
	// Ending is how requests end: "" as they should, or one of Endings. EndingEveryNth picks
	// among them; 0: all.
	Ending         string `json:"ending"`
	EndingEveryNth int    `json:"ending_every_nth"`
	// WebhookFault is how webhooks are sent: "" as they should, or one of WebhookFaults.
	// WebhookFaultEveryNth picks among them; 0: all.
	WebhookFault         string `json:"webhook_fault"`
	WebhookFaultEveryNth int    `json:"webhook_fault_every_nth"`

	// Chaos spoils a share of everything, each in one of the ways of Faults. Rules and the knobs
	// above win over it.
	Chaos Chaos `json:"chaos"`
}

func (k *Knobs) applyOptions(o Options) {
	if o.Duration != 0 {
		k.DurationMS = o.Duration.Milliseconds()
	} else if k.DurationMS == 0 {
		k.DurationMS = 2000
	}

	if o.QueueTime != 0 {
		k.QueueMS = o.QueueTime.Milliseconds()
	}

	if o.Slots != 0 {
		k.Slots = o.Slots
	}
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

	s.advanceClock()

	change(&s.knobs)
	s.Tune(s.knobs.kitKnobs())
	s.advanceClock()
}

// turnKnobs turns them all, or none if one is wrong.
func (s *Sim) turnKnobs(next Knobs) error {
	if err := next.checkValues(); err != nil {
		return err
	}

	s.SetKnobs(func(k *Knobs) { *k = next })

	return nil
}

// kitKnobs are the kit's among the knobs.
func (k *Knobs) kitKnobs() kit.Knobs { return kit.Knobs{LatencyMS: k.LatencyMS, Chaos: k.Chaos} }

// isNth reports whether the nth one is to misbehave.
func isNth(n int64, nth int) bool { return nth > 0 && n%int64(nth) == 0 }

func (k *Knobs) clockSkew() time.Duration { return fromMillis(k.ClockSkewMS) }

func fromMillis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
