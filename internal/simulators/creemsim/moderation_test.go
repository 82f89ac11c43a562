package creemsim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

func TestModeration_Decides(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	screen := func(prompt string) map[string]any {
		return b.get("POST", "/v1/moderation/prompt", `{"prompt":"`+prompt+`","external_id":"gen_1"}`)
	}
	units := func(of map[string]any) any {
		usage, _ := of["usage"].(map[string]any)

		return usage["units"]
	}

	fox := screen("a fox")
	require.Equal(t, []any{"moderation_result", "a fox", "gen_1", "allow"}, []any{fox["object"], fox["prompt"], fox["external_id"], fox["decision"]})
	require.InDelta(t, 1, units(fox), 0)
	require.InDelta(t, 0, units(screen("a fox")), 0, "the same again is free")
	require.InDelta(t, 3, units(screen(strings.Repeat("x", 2001))), 0)
	require.Equal(t, "flag", screen("x #force-moderation-flag")["decision"])
	require.Equal(t, "deny", screen("#force-moderation-deny y")["decision"])
	require.Equal(t, http.StatusInternalServerError, b.do("POST", "/v1/moderation/prompt", `{"prompt":"#force-moderation-error"}`).status)
	require.Equal(t, http.StatusBadRequest, b.do("POST", "/v1/moderation/prompt", `{}`).status)
	require.EqualValues(t, 6, b.sim.Stats().ModerationUnits)
	require.NotContains(t, b.get("POST", "/v1/moderation/prompt", `{"prompt":"y"}`), "external_id")
}
