package generation_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
)

func TestEstimate(t *testing.T) {
	t.Parallel()

	t.Run("SaysWhatASubmitThenHolds", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.poor(t, 30)

		e, err := b.Estimate(t.Context(), submission(b, two, func(s *generation.Submission) { s.FallbackModels = []string{"flux-schnell"} }))
		require.NoError(t, err)
		require.Equal(t, catalogue.Prices{"flux-dev": 5, "flux-schnell": 1}, e.Prices)
		require.Equal(t, []int64{10, 2, 10}, []int64{e.Credits("flux-dev"), e.Credits("flux-schnell"), e.AtMost()})
		require.EqualValues(t, 30, e.Balance.Available)
		require.WithinDuration(t, b.now.Now().Add(10*time.Minute), e.ExpiresAt, time.Second)
		require.Empty(t, b.story(t), "an estimate books nothing")

		a, err := b.Submit(t.Context(), submission(b, two, func(s *generation.Submission) { s.FallbackModels = []string{"flux-schnell"} }))
		require.NoError(t, err)
		require.Equal(t, e.AtMost(), a.Cost.Held)
		require.EqualValues(t, 20, a.Balance.Available)
	})

	t.Run("SaysWhatADearerOneWouldCost", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		dearer := func(s *generation.Submission) {
			s.Model, s.NumImages, s.FallbackModels = "flux-schnell", new(2), []string{"flux-dev"}
		}

		e, err := b.Estimate(t.Context(), submission(b, dearer))
		require.NoError(t, err)
		require.Equal(t, []int64{2, 10}, []int64{e.Credits("flux-schnell"), e.AtMost()})

		g := b.submit(t, dearer)
		require.Equal(t, []int64{2, 10}, []int64{g.Cost.Quoted, g.Cost.Held})
	})

	t.Run("JudgesAsASubmitDoes", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		_, err := b.Estimate(t.Context(), submission(b, images(9)))
		require.ErrorIs(t, err, catalogue.ErrInvalid)
	})
}

func TestQuote(t *testing.T) {
	t.Parallel()

	b := setup(t)

	e, err := b.Estimate(t.Context(), submission(b, two))
	require.NoError(t, err)

	submit := func(edits ...func(*generation.Submission)) (generation.Accepted, error) {
		return b.Submit(t.Context(), submission(b, append([]func(*generation.Submission){two, func(s *generation.Submission) { s.Quote = e.Quote }}, edits...)...))
	}

	// The prices go up; what was quoted stays.
	for i := range b.deps.Catalogue.Models {
		for j := range b.deps.Catalogue.Models[i].Qualities {
			for k := range b.deps.Catalogue.Models[i].Qualities[j].Prices {
				b.deps.Catalogue.Models[i].Qualities[j].Prices[k].Credits *= 100
			}
		}
	}

	a, err := submit()
	require.NoError(t, err)
	require.EqualValues(t, 10, a.Cost.Held)

	a, err = submit(func(s *generation.Submission) {
		s.Seed, s.OutputFormat, s.Prompt = new(int64(3)), new("png"), personal("a blue fox")
	})
	require.NoError(t, err, "what costs nothing may change")
	require.EqualValues(t, 10, a.Cost.Held)

	renewed, err := b.Estimate(t.Context(), submission(b, two, func(s *generation.Submission) { s.Quote = e.Quote }))
	require.NoError(t, err)
	require.EqualValues(t, 1000, renewed.AtMost(), "a quote does not make another one of its prices")

	forged := []byte(e.Quote)
	forged[len(forged)-2] ^= 1

	b.fund(t, stranger, fortune)

	for name, edit := range map[string]func(*generation.Submission){
		"AnotherModel":   func(s *generation.Submission) { s.Model = "qwen-image" },
		"MoreImages":     images(3),
		"AnotherSize":    func(s *generation.Submission) { s.Width, s.Height = new(1536), new(1536) },
		"AnotherQuality": func(s *generation.Submission) { s.Quality = new("high") },
		"AFallback":      func(s *generation.Submission) { s.FallbackModels = []string{"flux-schnell"} },
		"SomebodyElse":   func(s *generation.Submission) { s.UserID = stranger },
		"Forged":         func(s *generation.Submission) { s.Quote = string(forged) },
		"NotOne": func(s *generation.Submission) {
			s.Quote = "quo_" + base64.RawURLEncoding.EncodeToString(make([]byte, 40))
		},
		"Empty": func(s *generation.Submission) { s.Quote = "quo_" },
	} {
		_, err := submit(edit)
		require.ErrorIs(t, err, generation.ErrQuoteMismatch, name)
	}

	b.now.Move(10 * time.Minute)

	_, err = submit()
	require.ErrorIs(t, err, generation.ErrQuoteExpired)
	b.check(t)
}

var stranger = uuid.New() //nolint:gochecknoglobals // somebody
