package falsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// check says what no simulator could do: a name that it does not know, a share above one, a count below zero. So
// a slip of the pen is refused instead of switching nothing on.
func (k *Knobs) check() error {
	mixed := []string{}

	for _, d := range Disturbances() {
		mixed = append(append(mixed, d.Name), d.Routes...)
		for _, route := range d.Routes {
			mixed = append(mixed, route+"/"+d.Name)
		}
	}

	errs := []error{
		checkOneOf("jwks", k.JWKS, []string{"", "more", "late", "none"}),
		checkOneOf("media", k.Media, append(Poisons(), "")),
		checkOneOf("ending", k.Ending, append(Endings(), "")),
		checkOneOf("webhook_manner", k.WebhookManner, append(Manners(), "")),
		checkShare("jitter", k.Jitter), checkShare("disturb", k.Disturb),
	}

	for _, name := range slices.Concat(k.DisturbOnly, k.DisturbExcept) {
		if !slices.Contains(mixed, name) {
			errs = append(errs, fmt.Errorf("disturb_only, disturb_except: there is no route or disturbance %q", name))
		}
	}

	return errors.Join(append(errs, k.checkCounts())...)
}

// checkCounts looks at every number by the name that the control surface has for it.
func (k *Knobs) checkCounts() error {
	var (
		named map[string]any
		errs  []error
	)

	text, err := json.Marshal(k)
	if err == nil {
		err = json.Unmarshal(text, &named)
	}

	for name, value := range named {
		if n, isNumber := value.(float64); isNumber && n < 0 && name != "clock_skew_ms" {
			errs = append(errs, fmt.Errorf("%s: must not be negative", name))
		}
	}

	return errors.Join(append(errs, err)...)
}

func (r *Rule) check() error {
	errs := []error{checkOneOf("route", r.Route, callRoutes()), checkOneOf("action", r.Action, actions())}

	if r.Poison != "" {
		errs = append(errs, checkOneOf("poison", r.Poison, Poisons()))
	}

	if (r.Action == ActPoison) != (r.Poison != "") || r.Poison != "" && r.Route != RouteMedia {
		errs = append(errs, fmt.Errorf("poison: belongs to the action %q of the route %q, and to no other", ActPoison, RouteMedia))
	}

	if r.Status != 0 && (r.Status < 100 || r.Status > 599) {
		errs = append(errs, errors.New("status: must be 100 to 599"))
	}

	if r.Skip < 0 || r.DelayMS < 0 || r.HoldMS < 0 {
		errs = append(errs, errors.New("skip, delay_ms, hold_ms: must not be negative"))
	}

	return errors.Join(errs...)
}

func checkOneOf(name, value string, known []string) error {
	if slices.Contains(known, value) {
		return nil
	}

	return fmt.Errorf("%s: there is no %q; there are %s", name, value, strings.Join(slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" }), ", "))
}

func checkShare(name string, value float64) error {
	if value >= 0 && value <= 1 {
		return nil
	}

	return fmt.Errorf("%s: must be 0 to 1", name)
}
