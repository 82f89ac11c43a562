package generation_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

func TestChanges_ByLabels(t *testing.T) {
	t.Parallel()

	b := setup(t)
	label := func(metadata string) uuid.UUID {
		return b.submit(t, func(s *generation.Submission) { s.Metadata = json.RawMessage(metadata) }).ID
	}

	both, one := label(`{"project":"calendar","page":"1"}`), label(`{"project":"calendar"}`)
	other, gone := label(`{"project":"cal"}`), label(`{"project":"cal"}`)
	plain := b.submit(t).ID
	b.admit(t)
	require.NoError(t, b.Delete(t.Context(), b.user, gone))
	b.pass(t, time.Minute) // it is erased

	all, err := b.Changes(t.Context(), b.user, 0, nil)
	require.NoError(t, err)

	for _, c := range []struct {
		labels map[string]string
		want   []uuid.UUID
	}{
		{nil, []uuid.UUID{both, one, other, plain}},
		{map[string]string{"project": "calendar"}, []uuid.UUID{both, one}},
		{map[string]string{"project": "calendar", "page": "1"}, []uuid.UUID{both}},
		{map[string]string{"project": "'; --"}, nil},
	} {
		o, err := b.Overview(t.Context(), b.user, c.labels)
		require.NoError(t, err)
		require.Equal(t, all[len(all)-1].Number, o.Number)

		var live []uuid.UUID
		for _, g := range slices.Backward(o.Generations) {
			live = append(live, g.ID)
		}

		require.Equal(t, c.want, live, "%v", c.labels)

		for from := range all { // a reader who comes back after any of them
			some, err := b.Changes(t.Context(), b.user, all[from].Number, c.labels)
			require.NoError(t, err)
			require.Len(t, some, len(all)-from-1)

			for i, got := range some {
				want := all[from+1+i]
				if !want.Deleted && !slices.Contains(c.want, want.GenerationID) {
					want = generation.Change{Number: want.Number, Other: true}
				}

				require.Equal(t, want.Number, got.Number)
				require.Equal(t, []any{want.GenerationID, want.Deleted, want.Other, want.Event, want.Generation != nil},
					[]any{got.GenerationID, got.Deleted, got.Other, got.Event, got.Generation != nil}, "%v", c.labels)
			}
		}
	}
}
