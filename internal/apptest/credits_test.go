package apptest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
)

type balance struct {
	Available, Held, Debt int64
	Grants                []struct {
		Source    string
		Remaining int64
		ExpiresAt *time.Time `json:"expires_at"`
	}
}

// TestCredits is a user's first day: welcome credits, what it costs, what it cost, and no more.
func TestCredits(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Config: map[string]string{"credits.welcome": "12"}})
	u := p.SignUp(t, "")

	var has balance

	u.Do(t, http.MethodGet, "/v1/credits", nil, &has)
	require.EqualValues(t, 12, has.Available)
	require.Equal(t, "signup", has.Grants[0].Source)
	require.WithinDuration(t, time.Now().Add(30*24*time.Hour), *has.Grants[0].ExpiresAt, time.Hour)

	ask := map[string]any{"model": "flux-dev", "prompt": "a lighthouse", "num_images": 2}

	var e struct {
		Credits    int64
		Affordable bool
		Quote      string
	}

	u.Do(t, http.MethodPost, "/v1/estimates", ask, &e)
	require.EqualValues(t, 10, e.Credits)
	require.True(t, e.Affordable)

	var g apptest.Generation

	ask["quote"] = e.Quote
	reply := u.Do(t, http.MethodPost, "/v1/generations", ask, &g)
	require.Equal(t, []string{"10", "2"}, []string{reply.Header.Get("X-Credits-Held"), reply.Header.Get("X-Credits-Balance")})
	require.Equal(t, "succeeded", u.Await(t, g.ID, time.Minute).Status)

	// Two are left: too few for the next one, which leaves nothing behind.
	reply = u.Do(t, http.MethodPost, "/v1/generations", ask, nil)
	require.Equal(t, http.StatusPaymentRequired, reply.StatusCode)

	var list struct {
		Data []struct {
			Credits      int64
			Description  string
			GenerationID *string `json:"generation_id"`
		}
	}

	u.Do(t, http.MethodGet, "/v1/credits/entries", nil, &list)

	var lines []string

	for _, entry := range list.Data {
		lines = append(lines, entry.Description)

		if entry.GenerationID != nil {
			require.Equal(t, g.ID, *entry.GenerationID)
		}
	}

	require.Equal(t, []string{
		"Paid for image 2 of a generation.", "Paid for image 1 of a generation.", "Set aside for a generation.", "Welcome credits.",
	}, lines)

	u.Do(t, http.MethodGet, "/v1/credits", nil, &has)
	require.Equal(t, []int64{2, 0, 0}, []int64{has.Available, has.Held, has.Debt})
	require.Equal(t, 1, p.Count(t, `select count(*) from ai_task`))
	p.Quiet(t)
}
