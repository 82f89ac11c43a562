package httpapi_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
)

func TestSubmit_SaysWhatItHolds(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.submit = func(s generation.Submission) (generation.Generation, *idempotency.Record, error) {
		require.Equal(t, "quo_abc", s.Quote)

		g := sample(generation.StatusQueued, 1)
		g.Cost = generation.Cost{Cost: credits.Cost{Held: 10}, Quoted: 8}

		return g, nil, nil
	}

	w := b.do("POST", "/v1/generations", `{"model":"z-image-turbo","prompt":"a lighthouse","quote":"quo_abc"}`)
	require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
	require.Equal(t, []string{"10", "42"}, []string{w.Header().Get("X-Credits-Held"), w.Header().Get("X-Credits-Balance")})
	require.Equal(t, httpapi.Cost{Quoted: 8, Held: 10}, decode[httpapi.Generation](t, w).Cost)
	contractOf(t).requireConforms(t, "202", "post", "/v1/generations", w)
}

func TestSubmit_WithoutEnoughCredits(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for _, c := range []struct {
		err                 error
		code                string
		required, available int64
	}{
		{fmt.Errorf("hold: %w", &credits.ShortfallError{Required: 10, Available: 3}), "insufficient_credits", 10, 3},
		{credits.ErrInDebt, "account_in_debt", 0, 0},
	} {
		b.submit = func(generation.Submission) (generation.Generation, *idempotency.Record, error) {
			return generation.Generation{}, nil, c.err
		}

		p := requireCode(t, b.do("POST", "/v1/generations", smallest), http.StatusPaymentRequired, c.code)
		require.Equal(t, "Credits needed", p.Title)
		require.Zero(t, p.Charged)
		require.False(t, p.Retryable)

		if c.required == 0 {
			require.Nil(t, p.Required)

			continue
		}

		require.Equal(t, []int64{c.required, c.available}, []int64{*p.Required, *p.Available})
	}
}

func TestFailure_SaysWhatItCost(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := sample(generation.StatusCanceled, 5)
	g.FailureCode, g.Cost = generation.FailureCanceledByUser, generation.Cost{Cost: credits.Cost{Captured: 5, Released: 5}, Quoted: 10}
	b.get = ofAlice(g)

	w := b.do("GET", "/v1/generations/"+sampleID, "")
	got := decode[httpapi.Generation](t, w).Failure
	require.EqualValues(t, 5, got.Charged)
	require.Equal(t, "You canceled this generation. 5 credits were charged for the pictures that came; the rest was returned.", got.Message)
}

// A refund comes long after the last change of status; a caller that asks again learns of it.
func TestRefund_IsAnotherRendering(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := sample(generation.StatusSucceeded, 5)
	g.Cost = generation.Cost{Cost: credits.Cost{Captured: 5}, Quoted: 5}
	b.get = ofAlice(g)

	tag := b.do("GET", "/v1/generations/"+sampleID, "").Header().Get("ETag")
	require.Equal(t, http.StatusNotModified, b.do("GET", "/v1/generations/"+sampleID, "", "If-None-Match", tag).Code)

	g.Cost.Refunded = 5
	b.get = ofAlice(g)

	w := b.do("GET", "/v1/generations/"+sampleID, "", "If-None-Match", tag)
	require.Equal(t, http.StatusOK, w.Code)
	require.EqualValues(t, 5, decode[httpapi.Generation](t, w).Cost.Refunded)
}

func TestEstimate(t *testing.T) {
	t.Parallel()

	b := setup(t)
	at := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	b.estimate = func(s generation.Submission) (generation.Estimate, error) {
		require.Equal(t, alice, s.UserID)
		require.Equal(t, "flux-dev", s.Model)

		return generation.Estimate{
			Model: "flux-dev", Prices: catalogue.Prices{"flux-dev": 5, "flux-schnell": 7}, Quote: "quo_x", ExpiresAt: at, Took: 2500 * time.Millisecond,
			Parameters: catalogue.Parameters{Width: 64, Height: 32, Quality: "high", NumImages: 2, FallbackModels: []string{"flux-schnell"}},
			Balance:    credits.Balance{Available: 13},
		}, nil
	}

	w := b.do("POST", "/v1/estimates", `{"model":"flux-dev","prompt":"a lighthouse"}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "200", "post", "/v1/estimates", w)
	require.Equal(t, httpapi.Estimate{
		Object: httpapi.EstimateObjectEstimate, Credits: 10, CreditsAtMost: 14, Available: new(int64(13)), Affordable: new(false), Quote: "quo_x", ExpiresAt: at, EstimatedSeconds: new(3),
		Items: []httpapi.EstimateItem{
			{Model: "flux-dev", Width: 64, Height: 32, Quality: "high", NumImages: 2, CreditsEach: 5, Credits: 10},
			{Model: "flux-schnell", Width: 64, Height: 32, Quality: "high", NumImages: 2, CreditsEach: 7, Credits: 14},
		},
	}, decode[httpapi.Estimate](t, w))

	// A key that may not read credits learns the price, and not what its owner has.
	w = b.do("POST", "/v1/estimates", `{"model":"flux-dev","prompt":"a lighthouse"}`, "Authorization", "Bearer reader")
	contractOf(t).requireConforms(t, "200", "post", "/v1/estimates", w)
	require.NotContains(t, w.Body.String(), "13")
	require.Nil(t, decode[httpapi.Estimate](t, w).Affordable)
	require.EqualValues(t, 14, decode[httpapi.Estimate](t, w).CreditsAtMost)

	requireCode(t, b.do("POST", "/v1/estimates", `{"model":"flux-dev"}`), http.StatusUnprocessableEntity, "validation_failed")
}

func TestCredits(t *testing.T) {
	t.Parallel()

	b := setup(t)
	at := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	b.account = func(userID uuid.UUID) (credits.Account, error) {
		require.Equal(t, alice, userID)

		return credits.Account{
			Balance: credits.Balance{Available: 13, Held: 5},
			Grants: []credits.Holding{
				{Source: credits.SourceSignup, Amount: 20, Remaining: 3, Held: 5, CreatedAt: at, ExpiresAt: new(at.Add(time.Hour))},
				{Source: credits.SourcePack, Amount: 10, Remaining: 10, CreatedAt: at},
			},
		}, nil
	}

	w := b.do("GET", "/v1/credits", "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/credits", w)

	got := decode[httpapi.CreditBalance](t, w)
	require.Equal(t, []int64{13, 5, 0}, []int64{got.Available, got.Held, got.Debt})
	require.Equal(t, []httpapi.CreditGrantSource{"signup", "pack"}, []httpapi.CreditGrantSource{got.Grants[0].Source, got.Grants[1].Source})
	require.Nil(t, got.Grants[1].ExpiresAt)

	requireCode(t, b.do("GET", "/v1/credits", "", "Authorization", "Bearer reader"), http.StatusForbidden, "insufficient_scope")
}

func TestCreditEntries(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.entries = func(userID uuid.UUID, before int64, most int) ([]credits.Entry, error) {
		require.Equal(t, alice, userID)

		if before == 0 {
			before = 8
		}

		var page []credits.Entry
		for n := before - 1; n > 0 && len(page) < most; n-- {
			page = append(page, credits.Entry{Sequence: n, Kind: credits.KindCapture, TaskID: sample(generation.StatusQueued, 1).ID, Change: credits.Change{Held: -2}})
		}

		return page, nil
	}

	var numbers []int64

	for cursor := ""; ; {
		w := b.do("GET", "/v1/credits/entries?limit=3"+cursor, "")
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		contractOf(t).requireConforms(t, "200", "get", "/v1/credits/entries", w)

		page := decode[httpapi.CreditEntryList](t, w)
		for _, e := range page.Data {
			numbers = append(numbers, e.Number)
			require.Equal(t, sampleID, *e.GenerationID)
			require.EqualValues(t, -2, e.Credits)
			require.Equal(t, "Paid for image 1 of a generation.", e.Description)
		}

		if !page.HasMore {
			require.Nil(t, page.NextCursor)

			break
		}

		cursor = "&starting_after=" + strconv.FormatInt(*page.NextCursor, 10)
	}

	require.Equal(t, []int64{7, 6, 5, 4, 3, 2, 1}, numbers)

	for _, bad := range []string{"limit=0", "limit=101", "starting_after=0", "starting_after=x", "starting_after=99999999999999999999"} {
		requireCode(t, b.do("GET", "/v1/credits/entries?"+bad, ""), http.StatusUnprocessableEntity, "validation_failed")
	}
}
