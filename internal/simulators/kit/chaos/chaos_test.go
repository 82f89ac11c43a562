package chaos_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/kit/chaos"
)

func table() []chaos.Fault {
	return append(chaos.LostCalls([]string{"order", "refund"}), chaos.Fault{Name: "lost", Routes: []string{"webhook"}})
}

func TestMonkey_DealsEveryFaultOfARouteOnce(t *testing.T) {
	t.Parallel()

	calls := chaos.LostCalls([]string{"order"})

	deal := func(seed uint64) (names []string) {
		m := chaos.NewMonkey(seed, table)
		m.Tune(chaos.Knobs{Share: 1})

		for range calls {
			names = append(names, m.Choose("order").Name)
		}

		considered, chosen := m.Counts()
		require.EqualValues(t, len(calls), considered)
		require.Len(t, chosen, len(calls))

		return names
	}

	first, second := deal(1), deal(1)
	require.Equal(t, first, second)
	require.NotEqual(t, first, deal(3))
}

func TestMonkey_KeepsToItsKnobs(t *testing.T) {
	t.Parallel()

	m := chaos.NewMonkey(1, table)
	require.Nil(t, m.Choose("order"), "chaos is off")

	m.Tune(chaos.Knobs{Share: 1, Only: []string{"order"}, Except: []string{"drop", "order/hang"}})
	require.Nil(t, m.Choose("refund"))
	require.Nil(t, m.Choose("webhook"))

	for range 20 {
		require.NotContains(t, []string{"drop", "hang"}, m.Choose("order").Name)
	}

	m.Tune(chaos.Knobs{Share: 1, Only: []string{"webhook/lost"}})
	require.Equal(t, "lost", m.Choose("webhook").Name)
	require.Nil(t, m.Choose("order"), "a change of knobs begins afresh")
}

func TestKnobs_RefuseWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()

	for _, slip := range []chaos.Knobs{{Share: 1.1}, {Share: -1}, {HoldMS: -1}, {Only: []string{"order/nope"}}, {Except: []string{"nope"}}} {
		require.ErrorContains(t, slip.Check(table()), "chaos: ", slip)
	}

	require.NoError(t, chaos.Knobs{Share: 0.5, Only: []string{"order", "drop", "webhook/lost"}}.Check(table()))
}
