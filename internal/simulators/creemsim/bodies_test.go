package creemsim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

// live has everything happen to one pack and some subscriptions that Creem can tell of, all 13 types.
func (b *bundle) live() {
	b.t.Helper()

	change := func(id, what, body string) { b.get("POST", "/v1/subscriptions/"+id+what, body) }

	packed, first, second := b.buy(pack), b.buy(monthly), b.buy(monthly)
	b.buy(trial)
	require.NoError(b.t, b.sim.Refund(packed.OrderID, 0))
	change(first.SubscriptionID, "/upgrade", `{"product_id":"prod_dearer","update_behavior":"proration-none"}`)
	change(first.SubscriptionID, "/pause", "")
	change(first.SubscriptionID, "/resume", "")
	change(first.SubscriptionID, "/cancel", `{"mode":"scheduled"}`)
	require.NoError(b.t, b.sim.Dispute(second.TransactionID))
	b.move(8 * day)
	b.sim.SetKnobs(func(k *creemsim.Knobs) { k.FailRenewals = true })
	b.move(60 * day)
	require.NoError(b.t, b.sim.Refund(first.TransactionID, 0))
}

// describeMembers lists the members of an object with the kinds of their values, those of its own objects too.
func describeMembers(at string, value any, into map[string]string) {
	object, isObject := value.(map[string]any)
	if !isObject {
		into[at] = strings.TrimPrefix(fmt.Sprintf("%T", value), "interface {}")

		return
	}

	// What the merchant chose is no form.
	if strings.HasSuffix(at, ".metadata") {
		return
	}

	for name, inner := range object {
		describeMembers(at+"."+name, inner, into)
	}
}

func readMembers(t *testing.T, text []byte) map[string]string {
	t.Helper()

	var event map[string]any
	require.NoError(t, json.Unmarshal(text, &event))

	into := map[string]string{}
	describeMembers("", event, into)

	// Our products have no licenses, and whether a field is null depends on what happened.
	maps.DeleteFunc(into, func(name, _ string) bool { return strings.HasPrefix(name, ".object.license_keys") })

	return into
}

// In the documented form the bodies have exactly the members of Creem's samples. Those have our own ids.
func TestBodies_AreAsDocumented(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{Knobs: creemsim.Knobs{Bodies: creemsim.BodiesDocumented}})
	b.live()

	// The samples of refunds and canceled subscriptions are those of a subscription: the newest is.
	newest := map[string]creemsim.Event{}
	for _, e := range b.sim.Events() {
		if e.Type != "checkout.completed" || strings.Contains(string(e.Body), `"subscription"`) {
			newest[e.Type] = e
		}
	}

	samples, err := filepath.Glob("testdata/documented/*.json")
	require.NoError(t, err)
	require.Len(t, samples, 13)

	for _, sample := range samples {
		kind := strings.TrimSuffix(filepath.Base(sample), ".json")
		text, err := os.ReadFile(sample)
		require.NoError(t, err)

		want, got := readMembers(t, text), readMembers(t, newest[kind].Body)

		for _, name := range slices.Sorted(maps.Keys(want)) {
			if want[name] != got[name] {
				t.Errorf("%s: %s is %q, in the sample %q", kind, name, got[name], want[name])
			}

			delete(got, name)
		}

		for _, name := range slices.Sorted(maps.Keys(got)) {
			t.Errorf("%s: %s is not in the sample", kind, name)
		}
	}
}
