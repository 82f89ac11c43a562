package falsim_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/webp"

	"imagerun/internal/simulators/falsim"
)

// paint submits, lets the time pass and downloads the first image.
func (b *bundle) paint(body string) []byte {
	b.t.Helper()

	accepted := b.submit("fal-ai/z-image/turbo", body)
	b.clock.Move(time.Second)
	r := b.do("GET", b.images(accepted)[0], "", "Authorization", "")
	require.Equal(b.t, http.StatusOK, r.status)
	require.Equal(b.t, "public, max-age=5184000, immutable", r.header.Get("Cache-Control"))

	return r.raw
}

func TestMedia_IsAPictureOfTheSizeAndFormatAskedFor(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})

	for _, format := range []string{"png", "jpeg", "webp"} {
		for i, size := range [][2]int{{1024, 768}, {577, 333}, {8, 16}, {1, 1}} {
			for seed := range 1 + 3*i { // most compositions, at the cheap sizes
				data := b.paint(fmt.Sprintf(`{"prompt":"a lighthouse","seed":%d,"output_format":%q,"image_size":{"width":%d,"height":%d}}`, seed, format, size[0], size[1]))
				img, name, err := image.Decode(bytes.NewReader(data))
				require.NoError(t, err, "%s %v", format, size)
				require.Equal(t, format, name)
				require.Equal(t, image.Pt(size[0], size[1]), img.Bounds().Size())
			}
		}
	}
}

// TestMedia_AllWebPCanBeRead paints two pictures whose first encoding is no WebP.
func TestMedia_AllWebPCanBeRead(t *testing.T) {
	t.Parallel()

	for _, seed := range []int64{65 * 7919, 128 * 7919} {
		data, err := falsim.Paint("a red fox in the snow 2", seed, 1024, 1024, "webp")
		require.NoError(t, err)

		_, err = webp.Decode(bytes.NewReader(data))
		require.NoError(t, err, seed)
	}
}

func TestMedia_DependsOnPromptSeedAndSize(t *testing.T) {
	t.Parallel()

	ask := func(prompt string, seed, width int) string {
		return fmt.Sprintf(`{"prompt":%q,"seed":%d,"image_size":{"width":%d,"height":64}}`, prompt, seed, width)
	}
	one, two := setup(t, falsim.Options{Duration: time.Second}), setup(t, falsim.Options{Duration: time.Second})
	same := one.paint(ask("a fox", 1, 64))

	require.Equal(t, same, one.paint(ask("a fox", 1, 64)))
	require.Equal(t, same, two.paint(ask("a fox", 1, 64)))
	require.NotEqual(t, same, one.paint(ask("a wolf", 1, 64)))
	require.NotEqual(t, same, one.paint(ask("a fox", 2, 64)))
	require.NotEqual(t, same, one.paint(ask("a fox", 1, 65)))
}

func TestMedia_BlacksOutWhatTheCheckerFlags(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"nsfw","num_images":2,"image_size":"square","output_format":"png"}`)
	b.clock.Move(time.Second)

	r := b.do("GET", link(accepted, "response_url"), "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, []any{true, true}, r.body["has_nsfw_concepts"])

	requireBlack(t, b.do("GET", b.images(accepted)[0], "").raw)

	for _, format := range []string{"png", "jpeg", "webp"} {
		requireBlack(t, b.paint(`{"prompt":"nsfw","image_size":{"width":100,"height":80},"output_format":"`+format+`"}`))
	}

	accepted = b.submit("fal-ai/flux/dev", `{"prompt":"nsfw","enable_safety_checker":false}`)
	b.clock.Move(time.Second)
	require.Equal(t, []any{false}, b.do("GET", link(accepted, "response_url"), "").body["has_nsfw_concepts"])
}

func requireBlack(t *testing.T, data []byte) {
	t.Helper()

	img, _, err := image.Decode(bytes.NewReader(data))
	require.NoError(t, err)

	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			red, green, blue, _ := img.At(x, y).RGBA()
			require.Zero(t, red+green+blue)
		}
	}
}

func TestMedia_IsInlineInSyncMode(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","sync_mode":true,"image_size":"square"}`)
	b.clock.Move(time.Second)

	data, ok := strings.CutPrefix(b.images(accepted)[0], "data:image/jpeg;base64,")
	require.True(t, ok)

	raw, err := base64.StdEncoding.DecodeString(data)
	require.NoError(t, err)
	_, _, err = image.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Zero(t, b.sim.Stats().Files)
}

func TestKnobs_SpoilResultsAndFiles(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, Knobs: falsim.Knobs{FewerEveryNth: 2, FailEveryNth: 3, OmitImageFacts: true, BigSeeds: true}})

	var got []string

	for range 3 {
		accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","num_images":2}`)
		b.clock.Move(time.Second)
		r := b.do("GET", link(accepted, "response_url"), "")
		images, _ := r.body["images"].([]any)
		got = append(got, fmt.Sprint(r.status, len(images)))

		if len(images) > 0 {
			require.Len(t, images[0], 1, "the URL alone")
			require.Greater(t, r.body["seed"], float64(1<<53))
		}
	}

	require.Equal(t, []string{"200 2", "200 1", "500 0"}, got)

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.FewerEveryNth = 0 })
	file := b.images(b.submitDone())[0]

	for media, want := range map[string]string{"html": "text/html", "not_image": "image/jpeg"} {
		b.sim.SetKnobs(func(k *falsim.Knobs) { k.Media = media })
		require.Equal(t, want, b.do("GET", file, "").header.Get("Content-Type"))
	}

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.Media = "missing" })
	require.Equal(t, http.StatusNotFound, b.do("GET", file, "").status)
}

func (b *bundle) submitDone() map[string]any {
	b.t.Helper()

	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	b.clock.Move(time.Second)

	return accepted
}

func BenchmarkPicture(b *testing.B) {
	for _, format := range []string{"png", "jpeg", "webp"} {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				if _, err := falsim.Paint("a lighthouse at dawn", 7, 1024, 1024, format); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
