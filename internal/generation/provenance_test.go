package generation_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/picture/picturetest"
	"imagerun/internal/providers"
)

// Every stored original and thumbnail says to machines that a model made it, of every format; its row describes what
// is stored; and nothing in the mark tells one from another.
func TestStore_MarksOfProvenance(t *testing.T) {
	t.Parallel()

	upload := uuid.New()
	bodies := [][]byte{picturetest.PNG(picturetest.Gradient(64, 48)), picturetest.JPEG(picturetest.Gradient(64, 48)), picturetest.WebP(picturetest.Gradient(64, 48))}

	for name, test := range map[string]struct {
		edit func(*generation.Submission)
		want string
	}{
		"FromText": {func(*generation.Submission) {}, "trainedAlgorithmicMedia"},
		"FromAPicture": {func(s *generation.Submission) {
			s.Reference = &catalogue.Reference{UploadID: upload, Strength: new(0.4)}
		}, "compositeWithTrainedAlgorithmicMedia"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.references[upload] = generation.Reference{Key: "u/x/uploads/1.png", Width: 900, Height: 1600}
			g := b.start(t, func(s *generation.Submission) { s.NumImages = new(len(bodies)) }, test.edit)
			b.provider.finish(t, 0, func(r *providers.Result) {
				for i, body := range bodies {
					b.provider.media[r.Images[i].URL] = body
				}
			})
			b.pass(t, 30*time.Second)

			g = b.get(t, g.ID)
			require.Equal(t, generation.StatusSucceeded, g.Status)

			for _, img := range g.Images {
				body := b.bucket.objects[strings.TrimPrefix(img.URL, "https://bucket.example/")]
				thumbnail := b.bucket.objects[strings.TrimPrefix(img.ThumbnailURL, "https://bucket.example/")]
				require.EqualValues(t, len(body), img.Bytes)

				var sum []byte

				require.NoError(t, b.pool.QueryRow(t.Context(), `select sha256 from ai_image where id = $1`, img.ID).Scan(&sum))
				hash := sha256.Sum256(body)
				require.Equal(t, hash[:], sum)

				for _, tags := range picturetest.ExifTool(t, body, thumbnail) {
					require.Equal(t, "http://cv.iptc.org/newscodes/digitalsourcetype/"+test.want, tags[picturetest.SourceTag], "%s", img.ContentType)
					require.NotContains(t, tags, "ExifTool:Warning")

					for key := range tags {
						require.False(t, strings.HasPrefix(key, "XMP-") && key != picturetest.SourceTag && key != "XMP-x:XMPToolkit" && key != "XMP-rdf:About", key)
					}
				}

				require.NotEmpty(t, img.ThumbHash)
			}

			b.check(t)
		})
	}
}
