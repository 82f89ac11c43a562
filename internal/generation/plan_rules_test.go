package generation_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits/creditstest"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/plan"
)

func TestPlan_RefusesWhatItDoesNotAllow(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for i := range b.deps.Plans.Plans {
		if p := &b.deps.Plans.Plans[i]; p.ID == plan.Default {
			p.MaxImages, p.Models = 2, []string{"z-image-turbo", "flux-schnell"}
		}
	}

	submission := func(edit func(*generation.Submission)) generation.Submission {
		s := generation.Submission{UserID: b.user, Request: catalogue.Request{Model: "z-image-turbo", Prompt: prompt("a red fox")}}
		edit(&s)

		return s
	}

	for name, c := range map[string]struct {
		edit     func(*generation.Submission)
		pointers []string
	}{
		"Images":   {func(s *generation.Submission) { s.NumImages = new(3) }, []string{"#/num_images"}},
		"Model":    {func(s *generation.Submission) { s.Model = "flux-dev" }, []string{"#/model"}},
		"Fallback": {func(s *generation.Submission) { s.FallbackModels = []string{"flux-schnell", "qwen-image"} }, []string{"#/fallback_models"}},
		"Each": {func(s *generation.Submission) {
			s.Model, s.NumImages, s.FallbackModels = "flux-dev", new(4), []string{"qwen-image"}
		}, []string{"#/num_images", "#/model", "#/fallback_models"}},
	} {
		_, err := b.Service.Submit(t.Context(), submission(c.edit))
		require.ErrorIs(t, err, generation.ErrPlanForbids, name)
		require.Equal(t, fault.Forbidden, fault.Of(err).Kind)

		var pointers []string
		for _, f := range fault.Of(err).Fields {
			pointers = append(pointers, f.Pointer)
		}

		require.Equal(t, c.pointers, pointers, name)

		_, err = b.Estimate(t.Context(), submission(c.edit))
		require.ErrorIs(t, err, generation.ErrPlanForbids, name)
	}

	_, err := b.Service.Submit(t.Context(), submission(func(s *generation.Submission) { s.Model = "flux-dev" }))
	require.Contains(t, fault.Of(err).Fields[0].Detail, "z-image-turbo, flux-schnell")

	var tasks, holds int

	require.NoError(t, b.pool.QueryRow(t.Context(), `select (select count(*) from ai_task), (select count(*) from credit_hold)`).Scan(&tasks, &holds))
	require.Zero(t, tasks, "nothing was started")
	require.Zero(t, holds, "nothing was charged")
	creditstest.Check(t, b.pool)

	// What the plan allows, and the plan of somebody else.
	_, err = b.Service.Submit(t.Context(), submission(func(s *generation.Submission) { s.NumImages, s.FallbackModels = new(2), []string{"flux-schnell"} }))
	require.NoError(t, err)

	other := b.somebody(t, "pro")
	require.NotEqual(t, uuid.Nil, other)

	_, err = b.Service.Submit(t.Context(), submission(func(s *generation.Submission) { s.UserID, s.Model, s.NumImages = other, "flux-dev", new(4) }))
	require.NoError(t, err)
}
