package catalogue

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
)

//go:embed plans.json
var embeddedPlans []byte

// DefaultPlan is the plan of a user nobody gave another.
const DefaultPlan = "free"

// Plans is what each plan allows: data, like the catalogue.
type Plans struct {
	Plans []Plan `json:"plans"`
}

// Plan is what one plan allows.
type Plan struct {
	ID         string `json:"id"`
	Slots      int    `json:"slots"`       // generations of one user in progress at a time
	QueueDepth int    `json:"queue_depth"` // generations of one user waiting for a slot
}

// LoadPlans reads and checks the plans; nil data is the embedded ones.
func LoadPlans(data []byte) (*Plans, error) {
	if data == nil {
		data = embeddedPlans
	}

	var p Plans
	if err := decodeStrict(data, &p); err != nil {
		return nil, fmt.Errorf("plans: %w", err)
	}

	var errs []error

	for i, plan := range p.Plans {
		if plan.ID == "" || plan.Slots < 1 || plan.QueueDepth < 1 {
			errs = append(errs, fmt.Errorf("plan %d (%q): id, slots and queue_depth are required", i, plan.ID))
		}
	}

	if _, ok := p.Find(DefaultPlan); !ok {
		errs = append(errs, fmt.Errorf("there is no plan %q", DefaultPlan))
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
