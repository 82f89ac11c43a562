package intake

import (
	"fmt"
	"slices"
	"strings"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/plan"
)

// judgeByPlan judges an order by its user's plan: how many images, and which models may make them, also
// instead of the one that was asked for. The error is [generation.ErrPlanForbids] with every part that is too much,
// and what the plan allows there.
func judgeByPlan(p plan.Plan, o order) error {
	var fields []fault.Field

	if o.parameters.NumImages > p.MaxImages {
		fields = append(fields, fault.Field{
			Pointer: "#/num_images", Keyword: "plan", Detail: fmt.Sprintf("Your plan allows %d or less.", p.MaxImages),
		})
	}

	if !p.Allows(o.model.ID) {
		fields = append(fields, fault.Field{Pointer: "#/model", Keyword: "plan", Detail: explainPlan(p)})
	}

	if slices.ContainsFunc(o.parameters.FallbackModels, func(id string) bool { return !p.Allows(id) }) {
		fields = append(fields, fault.Field{Pointer: "#/fallback_models", Keyword: "plan", Detail: explainPlan(p)})
	}

	if len(fields) == 0 {
		return nil
	}

	return generation.ErrPlanForbids.WithFields(fields...)
}

func explainPlan(p plan.Plan) string {
	return "Your plan allows " + strings.Join(p.Models, ", ") + "."
}
