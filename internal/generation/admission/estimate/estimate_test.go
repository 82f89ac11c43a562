package estimate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation/admission/estimate"
)

func TestLine_Start(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 11, 22, 15, 0, 3, 0, time.UTC)

	for name, tt := range map[string]struct {
		line estimate.Line
		want time.Duration // from the full minute, in steps
	}{
		"slots are free":              {estimate.Line{Slots: 4, OwnSlots: 2}, 10 * time.Second},
		"free, though some are ahead": {estimate.Line{Ahead: 2, Busy: 1, Slots: 4, OwnSlots: 2}, 10 * time.Second},
		"the provider is full":        {estimate.Line{Ahead: 3, Busy: 4, Slots: 4, OwnSlots: 2}, 70 * time.Second},
		"the user's slots are taken":  {estimate.Line{Slots: 40, OwnAhead: 1, OwnBusy: 2, OwnSlots: 2}, 70 * time.Second},
		"a plan without slots":        {estimate.Line{Slots: 1, OwnSlots: 0}, 70 * time.Second},
		"more taken than there are":   {estimate.Line{Busy: 9, Slots: 4, OwnSlots: 2}, 20 * time.Second},
	} {
		got := tt.line.Start(now, time.Minute)
		require.Equal(t, tt.want, got.Sub(now.Truncate(time.Minute)), name)
		require.Equal(t, got, tt.line.Start(now.Add(time.Second), time.Minute), "%s: a moment later it is the same", name)
	}
}
