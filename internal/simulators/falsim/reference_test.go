package falsim_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

func encodePNG(t *testing.T, width, height int) []byte {
	t.Helper()

	return encodeImage(t, width, height, color.RGBA{R: 200, G: 40, B: 40, A: 255})
}

func encodeImage(t *testing.T, width, height int, c color.Color) []byte {
	t.Helper()

	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		img.Set(i%width, i/width, c)
	}

	var buf bytes.Buffer
	require.NoError(t, png.Encode(&buf, img))

	return buf.Bytes()
}

// serveBytes answers every call with the data, and with another status if one is given.
func serveBytes(t *testing.T, data []byte, status ...int) string {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if len(status) > 0 {
			w.WriteHeader(status[0])
		}

		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)

	return server.URL + "/photo"
}

func TestReference_IsDownloadedAndLookedAt(t *testing.T) {
	t.Parallel()

	whole := encodePNG(t, 64, 48)

	var animation, vast bytes.Buffer

	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&vast, image.NewPaletted(image.Rect(0, 0, 5000, 5000), color.Palette{color.White})))
	require.NoError(t, gif.Encode(&animation, image.NewPaletted(image.Rect(0, 0, 9, 9), color.Palette{color.White}), nil))

	for name, c := range map[string]struct{ url, kind string }{
		"Whole":       {serveBytes(t, whole), ""},
		"Gif":         {serveBytes(t, animation.Bytes()), ""},
		"Inline":      {"data:image/png;base64," + base64.StdEncoding.EncodeToString(whole), ""},
		"NotThere":    {serveBytes(t, whole, http.StatusNotFound), "file_download_error"},
		"NoBase64":    {"data:image/png,xyz", "file_download_error"},
		"NoScheme":    {"ftp://a.example/x.png", "file_download_error"},
		"Html":        {serveBytes(t, []byte("<html></html>")), "image_load_error"},
		"Truncated":   {serveBytes(t, whole[:len(whole)/2]), "image_load_error"},
		"Empty":       {serveBytes(t, nil), "image_load_error"},
		"Bitmap":      {serveBytes(t, []byte("BM\x00\x00\x00\x00")), "unsupported_image_format"},
		"Tiny":        {serveBytes(t, encodePNG(t, 64, 7)), "image_too_small"},
		"Vast":        {serveBytes(t, vast.Bytes()), "image_too_large"},
		"TooBig":      {serveBytes(t, make([]byte, 50<<20+1)), "file_too_large"},
		"InlineWrong": {"data:image/png;base64,????", "file_download_error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true})
			accepted := b.submit("fal-ai/flux/dev/image-to-image", `{"prompt":"x","image_url":"`+c.url+`"}`)

			if c.kind == "" {
				require.Equal(t, http.StatusAccepted, b.do("GET", link(accepted, "status_url"), "").status)
				b.clock.Move(time.Second)
				require.NotContains(t, b.await(accepted).body, "error_type")

				return
			}

			require.Equal(t, c.kind, b.await(accepted).body["error_type"])

			r := b.do("GET", link(accepted, "response_url"), "")
			require.Equal(t, http.StatusUnprocessableEntity, r.status)
			require.Contains(t, string(r.raw), `"loc":["body","image_url"]`)
			require.Equal(t, "false", r.header.Get("X-Fal-Retryable"))
		})
	}
}

func TestReference_IsNotFetchedInside(t *testing.T) {
	t.Parallel()

	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	t.Cleanup(server.Close)

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/z-image/turbo/image-to-image", `{"prompt":"x","image_url":"`+server.URL+`"}`)
	require.Equal(t, "file_download_error", b.await(accepted).body["error_type"])
	require.Empty(t, asked)
}

// The picture has the reference's size where none is asked for, and its colours.
func TestReference_ShowsInThePicture(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true})
	paint := func(endpoint string, c color.Color, more string) image.Image {
		photo := serveBytes(t, encodeImage(t, 96, 64, c))
		accepted := b.submit(endpoint, `{"prompt":"a fox","seed":5,"output_format":"png","image_url":"`+photo+`"`+more+`}`)
		b.clock.Move(time.Second)
		b.await(accepted)

		img, _, err := image.Decode(bytes.NewReader(b.do("GET", b.images(accepted)[0], "").raw))
		require.NoError(t, err)

		return img
	}

	const turbo, dev, qwen = "fal-ai/z-image/turbo/image-to-image", "fal-ai/flux/dev/image-to-image", "fal-ai/qwen-image/image-to-image"

	red, green := color.RGBA{R: 255, A: 255}, color.RGBA{G: 255, A: 255}
	for more, want := range map[string]image.Point{"": {X: 96, Y: 64}, `,"image_size":"auto"`: {X: 96, Y: 64}, `,"image_size":"square"`: {X: 512, Y: 512}} {
		require.Equal(t, want, paint(turbo, red, more).Bounds().Size(), more)
	}

	require.Equal(t, image.Pt(96, 64), paint(dev, red, `,"image_size":"square"`).Bounds().Size(), "it has no image_size")
	require.Equal(t, image.Pt(96, 64), paint(qwen, red, "").Bounds().Size())

	top := func(img image.Image) (red, green uint32) {
		red, green, _, _ = img.At(1, 1).RGBA()
		return red >> 8, green >> 8
	}

	for _, strength := range []float64{0, 0.5} {
		more := `,"strength":` + strconv.FormatFloat(strength, 'f', -1, 64)
		r1, g1 := top(paint(turbo, red, more))
		r2, g2 := top(paint(turbo, green, more))
		require.InDelta(t, float64(r1)-float64(r2), 255*(1-strength), 3)
		require.InDelta(t, float64(g2)-float64(g1), 255*(1-strength), 3)
	}

	require.Equal(t, paint(turbo, red, `,"strength":1`), paint(turbo, green, `,"strength":1`), "painted over")
}
