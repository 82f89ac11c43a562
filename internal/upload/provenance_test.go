package upload_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/picture"
	"imagerun/internal/picture/picturetest"
	"imagerun/internal/upload"
)

// What is made of a picture that a model made says so, as the file did; and nothing else of what that said.
func TestUpload_MarkOfProvenance(t *testing.T) {
	t.Parallel()

	bodies := map[string][]byte{
		"image/png": pngOf(64, 48), "image/jpeg": jpegOf(64, 48), "image/webp": picturetest.WebP(picturetest.Gradient(64, 48)),
	}

	for contentType, body := range bodies {
		t.Run(contentType, func(t *testing.T) {
			t.Parallel()

			info, err := picture.Inspect(body, picture.Limits{})
			require.NoError(t, err)

			b := setup(t)
			marked, _ := picture.Mark(info.Format, body, picture.CompositeSynthetic)
			plain := b.get(t, b.inspected(t, contentType, body).ID)
			require.Equal(t, upload.StatusReady, plain.Status)
			require.Empty(t, plain.SourceType)
			require.NoError(t, b.Delete(t.Context(), b.user, plain.ID))
			b.jobs.RunAll(t.Context())

			u := b.get(t, b.inspected(t, contentType, marked).ID)
			require.Equal(t, upload.StatusReady, u.Status)
			require.Equal(t, "compositeSynthetic", u.SourceType)

			objects := slices.Collect(maps.Values(b.bucket.objects(t)))
			require.Len(t, objects, 1)
			require.EqualValues(t, len(objects[0]), u.Bytes)

			tags := picturetest.ExifTool(t, objects[0])[0]
			require.Equal(t, "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic", tags[picturetest.SourceTag])
			require.NotContains(t, tags, "ExifTool:Warning")
			b.check(t)
		})
	}
}
