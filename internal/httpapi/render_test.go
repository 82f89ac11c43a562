package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

// One row that JSON could not show does not take with it what stands beside it.
func TestRender_TimesThatCannotBeShown(t *testing.T) {
	t.Parallel()

	for name, at := range map[string]time.Time{
		"InUTC":        time.Date(10000, 1, 1, 13, 59, 59, 0, time.UTC),
		"InItsZone":    time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -14*60*60)),
		"BeforeChrist": time.Date(-43, 3, 15, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			key := func(until *time.Time) apikey.Key {
				return apikey.Key{ID: uuid.New(), Name: "build server", Prefix: "sk_live_abc", Scopes: []auth.Scope{auth.ScopeGenerationsRead}, ExpiresAt: until}
			}
			b.keys = func(uuid.UUID) ([]apikey.Key, error) { return []apikey.Key{key(&at), key(nil)}, nil }
			b.account = func(uuid.UUID) (credits.Account, error) {
				return credits.Account{Grants: []credits.Holding{{Source: credits.SourceOperator, CreatedAt: at, ExpiresAt: &at}, {Source: credits.SourceOperator}}}, nil
			}
			b.entries = func(uuid.UUID, int64, int) ([]credits.Entry, error) { return []credits.Entry{{At: at}, {}}, nil }
			b.list = func(uuid.UUID, generation.Filter) (generation.Page, error) {
				odd := sample(generation.StatusSucceeded, 5)
				odd.CreatedAt, odd.DeadlineAt, odd.FinishedAt = at, at, &at

				return generation.Page{Generations: []generation.Generation{odd, sample(generation.StatusQueued, 1)}}, nil
			}

			for _, path := range []string{"/v1/api_keys", "/v1/credits", "/v1/credits/entries", "/v1/generations"} {
				w := b.do("GET", path, "")
				require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			}

			require.Len(t, decode[httpapi.APIKeyList](t, b.do("GET", "/v1/api_keys", "")).Data, 2)
		})
	}
}

// TestRender_LinksCanBePasted: an & of a link is one, in whatever answers.
func TestRender_LinksCanBePasted(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.get = func(uuid.UUID, uuid.UUID) (generation.Generation, error) {
		return sample(generation.StatusSucceeded, 5), nil
	}

	body := b.do("GET", "/v1/generations/"+sampleID, "").Body.String()
	require.Contains(t, body, "?at=1&sig=1")
	require.NotContains(t, body, `\u0026`)
}
