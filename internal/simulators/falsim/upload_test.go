package falsim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

const initiate = "/rest/storage/upload/initiate"

func (b *bundle) initiate(path string, header ...string) (put, file string) {
	b.t.Helper()

	r := b.do("POST", path+"?storage_type=fal-cdn-v3", `{"content_type":"image/png","file_name":"../a photo.png"}`, header...)
	require.Equal(b.t, http.StatusOK, r.status, string(r.raw))

	return link(r.body, "upload_url"), link(r.body, "file_url")
}

func TestUpload_InOnePiece(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true})
	put, file := b.initiate(initiate, "X-Fal-Object-Lifecycle", `{"expiration_duration_seconds":60}`)

	require.Equal(t, http.StatusNotFound, b.do("GET", file, "", "Authorization", "").status, "not there yet")
	require.Equal(t, http.StatusForbidden, b.do("PUT", strings.Replace(put, "token=", "token=x", 1), "data").status)
	require.Equal(t, http.StatusOK, b.do("PUT", put, string(encodePNG(t, 32, 32)), "Authorization", "", "Content-Type", "image/png").status)
	require.Equal(t, http.StatusNotFound, b.do("PUT", put, "again").status, "once")

	r := b.do("GET", file, "", "Authorization", "")
	require.Equal(t, encodePNG(t, 32, 32), r.raw)
	require.Equal(t, "image/png", r.header.Get("Content-Type"))

	accepted := b.submit("fal-ai/flux/dev/image-to-image", `{"prompt":"x","image_url":"`+file+`"}`)
	b.clock.Move(time.Second)
	require.NotContains(t, b.await(accepted).body, "error")

	b.clock.Move(time.Minute)
	require.Equal(t, http.StatusNotFound, b.do("GET", file, "").status, "its life is over")

	s := b.sim.Stats()
	require.Equal(t, []int64{1, 3}, []int64{s.Uploads, s.Puts})
	require.Empty(t, b.sim.Requests(falsim.RoutePut)[0].Body)
}

func TestUpload_InParts(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{})
	address, file := b.initiate(initiate + "-multipart")
	path, token, _ := strings.Cut(address, "?")
	part := func(n, data string) string {
		r := b.do("PUT", path+"/"+n+"?"+token, data, "Authorization", "")
		require.Equal(t, http.StatusOK, r.status, string(r.raw))

		return string(r.raw)
	}
	complete := func(parts ...string) int {
		return b.do("POST", path+"/complete?"+token, `{"parts":[`+strings.Join(parts, ",")+`]}`, "Authorization", "").status
	}

	second, first := part("2", "world"), part("1", "hello ")
	require.Equal(t, http.StatusBadRequest, b.do("PUT", path+"/0?"+token, "x").status)
	require.Equal(t, http.StatusBadRequest, complete(first))
	require.Equal(t, http.StatusBadRequest, complete(second, first))
	require.Equal(t, http.StatusBadRequest, complete(first, strings.Replace(second, `\"`, `\"0`, 1)))
	require.Equal(t, http.StatusNotFound, b.do("GET", file, "").status)
	require.Equal(t, http.StatusOK, complete(first, second))
	require.Equal(t, "hello world", string(b.do("GET", file, "").raw))
}

func TestUpload_IsRefused(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{})
	require.Equal(t, http.StatusUnauthorized, b.do("POST", initiate+"?storage_type=fal-cdn-v3", `{}`, "Authorization", "Key id:wrong").status)
	require.Equal(t, http.StatusUnprocessableEntity, b.do("POST", initiate+"?storage_type=fal-cdn-v3", `{}`).status)
	require.Equal(t, http.StatusUnprocessableEntity, b.do("POST", initiate, `{"file_name":"a.png"}`).status)
}

// What is not public needs a token, outputs and uploads alike.
func TestFiles_MayBePrivate(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})

	for access, refused := range map[string]int{"forbid": http.StatusForbidden, "hide": http.StatusNotFound, "allow": http.StatusOK} {
		life := `{"initial_acl":{"default":"` + access + `"}}`
		accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","image_size":"square"}`, "X-Fal-Object-Lifecycle-Preference", life)
		put, sent := b.initiate(initiate, "X-Fal-Object-Lifecycle", life)
		b.do("PUT", put, "data")
		b.clock.Move(time.Second)

		token := link(b.do("POST", "/rest/storage/auth/token?storage_type=fal-cdn-v3", "{}").body, "token")

		for _, file := range []string{b.images(accepted)[0], sent} {
			require.Equal(t, refused, b.do("GET", file, "", "Authorization", "").status, access)
			require.Equal(t, refused, b.do("GET", file, "", "Authorization", "Bearer x").status, access)
			require.Equal(t, http.StatusOK, b.do("GET", file, "", "Authorization", "Bearer "+token).status, access)
		}

		b.clock.Move(time.Hour)
		require.Equal(t, refused, b.do("GET", sent, "", "Authorization", "Bearer "+token).status, access)
	}

	require.Equal(t, http.StatusUnauthorized, b.do("POST", "/rest/storage/auth/token", "{}", "Authorization", "").status)
}
