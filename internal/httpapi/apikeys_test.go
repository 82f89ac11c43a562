package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/httpapi"
	"imagerun/internal/redact"
)

func TestAPIKeys(t *testing.T) {
	t.Parallel()

	b := setup(t)
	expires := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	key := apikey.Key{
		ID: uuid.New(), Name: "build server", Prefix: "sk_live_abc", Scopes: []auth.Scope{auth.ScopeGenerationsRead},
		CreatedAt: expires.AddDate(-1, 0, 0), ExpiresAt: &expires,
	}
	b.create = func(userID uuid.UUID, name string, scopes []auth.Scope, until *time.Time) (apikey.Key, redact.Secret, error) {
		require.Equal(t, alice, userID)
		require.Equal(t, key.Name, name)
		require.Equal(t, key.Scopes, scopes)
		require.True(t, expires.Equal(*until))

		return key, redact.NewSecret("sk_live_whole"), nil
	}
	b.keys = func(uuid.UUID) ([]apikey.Key, error) { return []apikey.Key{key}, nil }
	b.revoke = func(userID, id uuid.UUID) error {
		if userID != alice || id != key.ID {
			return apikey.ErrNotFound
		}

		return nil
	}

	w := b.do("POST", "/v1/api_keys", `{"name":"build server","scopes":["generations:read"],"expires_at":"2027-01-01T01:00:00+01:00"}`)
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "201", "post", "/v1/api_keys", w)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	created := decode[httpapi.NewAPIKey](t, w)
	require.Equal(t, "sk_live_whole", created.Secret)

	w = b.do("GET", "/v1/api_keys", "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/api_keys", w)
	require.NotContains(t, w.Body.String(), "sk_live_whole")

	require.Equal(t, http.StatusNoContent, b.do("DELETE", "/v1/api_keys/"+created.APIKey.ID, "").Code)
	requireCode(t, b.do("DELETE", "/v1/api_keys/"+created.APIKey.ID, "", "Authorization", "Bearer bob"), 404, "not_found")
	require.NotContains(t, b.log.String(), "sk_live")
	require.NotContains(t, b.log.String(), "build server")
}
