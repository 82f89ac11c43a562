package httpapi_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/apikey"
	"imagerun/internal/httpapi"
	"imagerun/internal/upload"
)

func TestSupportCodes(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.keys = func(uuid.UUID) ([]apikey.Key, error) { return []apikey.Key{{ID: uuid.New()}, {ID: uuid.New()}}, nil }

	w := b.do("GET", "/v1/api_keys", "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/api_keys", w)

	for _, k := range decode[httpapi.APIKeyList](t, w).Data {
		require.Regexp(t, "^[0-9A-Z]{5}-[0-9A-Z]{5}$", k.SupportCode)
	}

	b.upload = uploadOfAlice(sampleUpload(upload.StatusReady))
	require.Equal(t, "06BZ5-A64T9", decode[httpapi.Upload](t, b.do("GET", "/v1/uploads/"+uploadID, "")).SupportCode)
}
