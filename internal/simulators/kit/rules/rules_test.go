package rules_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/kit/rules"
)

func TestRules_RefuseWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()

	var mu sync.Mutex

	spoil := rules.Action{Name: "poison", Route: "media", Variants: []string{"half"}, Serve: func(w http.ResponseWriter, _ *http.Request, variant string) {
		w.Header().Set("X-Spoiled", variant)
	}}
	list := rules.NewRules(t.Context(), &mu, []string{"order", "media"}, spoil)

	for _, slip := range []rules.Rule{
		{Route: "ordr", Action: rules.ActDrop},
		{Route: "order", Action: "explode"},
		{Route: "order", Action: rules.ActAnswer, Status: 42},
		{Route: "order", Action: rules.ActHang, HoldMS: -1},
		{Route: "order", Action: "poison", Variant: "half"},
		{Route: "order", Action: rules.ActDrop, Variant: "half"},
		{Route: "media", Action: "poison"},
		{Route: "media", Action: "poison", Variant: "nope"},
	} {
		_, err := list.Add(slip)
		require.Error(t, err, slip)
	}

	id, err := list.Add(rules.Rule{Route: "media", Action: "poison", Variant: "half", Skip: 1})
	require.NoError(t, err)

	mu.Lock()
	passed, forced, after := list.Take("media"), list.Take("media"), list.Take("media")
	mu.Unlock()

	require.Nil(t, passed)
	require.Equal(t, id, forced.ID)
	require.Nil(t, after, "it is used up")

	w := httptest.NewRecorder()
	list.Apply(forced, w, httptest.NewRequest(http.MethodGet, "/", nil), func(http.ResponseWriter) { t.Error("it acted") })
	require.Equal(t, "half", w.Header().Get("X-Spoiled"))
}
