package apptest

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Upload is the resource, as a caller sees it.
type Upload struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	ContentType string `json:"content_type"`
	Bytes       int    `json:"bytes"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Rejection   *struct {
		Code string `json:"code"`
	} `json:"rejection"`
}

// Upload announces a file, sends it as any HTTP client does, and completes it.
func (u *User) Upload(t testing.TB, contentType string, body []byte) Upload {
	t.Helper()

	var made struct {
		Upload      Upload
		URL, Method string
		Headers     map[string]string
	}

	u.Do(t, http.MethodPost, "/v1/uploads", map[string]any{"content_type": contentType, "bytes": len(body)}, &made)

	var status int

	// The local store removes a folder with its last object, and may do so under a put: a client
	// repeats what may pass.
	for try := 0; try < 5 && status != http.StatusOK; try++ {
		r, err := http.NewRequestWithContext(t.Context(), made.Method, made.URL, bytes.NewReader(body))
		require.NoError(t, err)

		for name, value := range made.Headers {
			r.Header.Set(name, value)
		}

		reply, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, reply.Body.Close())

		status = reply.StatusCode
	}

	require.Equal(t, http.StatusOK, status)

	var done Upload

	u.Do(t, http.MethodPost, "/v1/uploads/"+made.Upload.ID+"/complete", nil, &done, "Prefer", "wait=60")
	require.Equal(t, made.Upload.ID, done.ID)

	return done
}
