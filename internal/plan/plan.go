// Package plan says what each plan allows. Plans are data: a new one is a row of plans.json. Which plan a user has is
// package user's.
//
// # Invariants
//
//   - There is always a plan [Default]; who has a plan that is no more has that one.
//   - A file of plans is accepted whole or not at all, and the error lists every mistake.
package plan

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"imagerun/internal/strictjson"
)

//go:embed plans.json
var embedded []byte

// Default is the plan of a user who was given no other.
const Default = "free"

// DefaultUploadBytes is what a plan gives to uploads that does not say.
const DefaultUploadBytes = 1 << 30

// Plans is what each plan allows. The zero value has none; [Load] makes one.
type Plans struct {
	Plans []Plan `json:"plans"`
}

// Plan is what one plan allows.
type Plan struct {
	ID         string   `json:"id"`
	Slots      int      `json:"slots"`       // generations of one user in progress at a time
	QueueDepth int      `json:"queue_depth"` // generations of one user waiting for a slot
	Weight     int      `json:"weight"`      // turns of one user in a round of admission
	MaxImages  int      `json:"max_images"`  // images of one generation
	Models     []string `json:"models"`      // the ids it may use; empty: all
	Rate       Rate     `json:"rate"`

	// UploadBytes bounds the files that a user brings; zero, where a file of plans does not say, becomes [DefaultUploadBytes].
	UploadBytes int64 `json:"upload_bytes"`
}

// Rate bounds how often a user may ask, over all keys and devices.
type Rate struct {
	Requests    int `json:"requests"`    // of any kind, in a minute
	Submissions int `json:"submissions"` // of generations, in a minute
}

// Allows reports whether the plan may use a model.
func (p Plan) Allows(model string) bool {
	return len(p.Models) == 0 || slices.Contains(p.Models, model)
}

// Load reads and checks the plans; nil data is the embedded ones. The error lists every
// mistake at once.
func Load(data []byte) (*Plans, error) {
	if data == nil {
		data = embedded
	}

	var p Plans
	if err := strictjson.Decode(data, &p); err != nil {
		return nil, fmt.Errorf("plans: %w", err)
	}

	var errs []error

	for i, plan := range p.Plans {
		if plan.UploadBytes == 0 {
			p.Plans[i].UploadBytes = DefaultUploadBytes
		} else if plan.UploadBytes < 0 {
			errs = append(errs, fmt.Errorf("plan %d (%q): upload_bytes must not be negative", i, plan.ID))
		}

		if plan.ID == "" {
			errs = append(errs, fmt.Errorf("plan %d: id is required", i))
		}

		for name, n := range map[string]int{
			"slots": plan.Slots, "queue_depth": plan.QueueDepth, "weight": plan.Weight, "max_images": plan.MaxImages,
			"rate.requests": plan.Rate.Requests, "rate.submissions": plan.Rate.Submissions,
		} {
			if n < 1 {
				errs = append(errs, fmt.Errorf("plan %d (%q): %s must be at least 1", i, plan.ID, name))
			}
		}
	}

	if _, ok := p.Find(Default); !ok {
		errs = append(errs, fmt.Errorf("there is no plan %q", Default))
	}

	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("plans: %w", err)
	}

	return &p, nil
}

// Find returns the plan of that id.
func (p *Plans) Find(id string) (Plan, bool) {
	i := slices.IndexFunc(p.Plans, func(plan Plan) bool { return plan.ID == id })
	if i < 0 {
		return Plan{}, false
	}

	return p.Plans[i], true
}

// Of returns the plan of that id, or the default one's where there is none of it any more.
func (p *Plans) Of(id string) Plan {
	plan, ok := p.Find(id)
	if !ok {
		plan, _ = p.Find(Default)
	}

	return plan
}
