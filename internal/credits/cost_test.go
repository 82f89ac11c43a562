package credits_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
)

func TestCost_Sentence(t *testing.T) {
	t.Parallel()

	for want, c := range map[string]credits.Cost{
		"Nothing was charged.":                                                      {},
		"1 credit was set aside until it ends.":                                     {Held: 1},
		"4 credits were set aside until it ends.":                                   {Held: 4, Captured: 2},
		"5 credits were charged for the pictures that came.":                        {Captured: 5},
		"5 credits were charged for the pictures that came; the rest was returned.": {Captured: 5, Released: 5},
		"What was charged was given back.":                                          {Captured: 5, Refunded: 5},
		"1 credit was charged for the pictures that came.":                          {Captured: 5, Refunded: 4},
	} {
		require.Equal(t, want, c.Sentence())
	}
}
