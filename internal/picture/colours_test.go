package picture_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/picture"
	"imagerun/internal/picture/picturetest"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()

	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)

	return b
}

// colourAt is the mean colour around a point.
func colourAt(img image.Image, x, y int) [3]int {
	const around = 3

	var sum [3]int

	for dy := -around; dy <= around; dy++ {
		for dx := -around; dx <= around; dx++ {
			c := onWhite(img.At(x+dx, y+dy))
			for i := range sum {
				sum[i] += c[i]
			}
		}
	}

	const n = (2*around + 1) * (2*around + 1)

	return [3]int{sum[0] / n, sum[1] / n, sum[2] / n}
}

func requireColour(t testing.TB, want, got [3]int, what string) {
	t.Helper()

	for i := range want {
		require.InDelta(t, want[i], got[i], 4, "%s: want %v, got %v", what, want, got)
	}
}

// plainPNG is of one colour, with chunks behind its header.
func plainPNG(c color.NRGBA, chunks ...[]byte) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		img.SetNRGBA(i%16, i/16, c)
	}

	b := picturetest.PNG(img)

	return append(append(bytes.Clone(b[:33]), bytes.Join(chunks, nil)...), b[33:]...)
}

func chunkOf(name string, numbers ...uint32) []byte {
	var data []byte
	for _, n := range numbers {
		data = binary.BigEndian.AppendUint32(data, n)
	}

	return picturetest.Chunk(name, string(data))
}

// TestOpener_Colours demands of references and of thumbnails the colours that their files mean.
func TestOpener_Colours(t *testing.T) {
	t.Parallel()

	type point struct {
		x, y int
		want [3]int
	}

	sample := color.NRGBA{R: 200, G: 100, B: 50, A: 255}
	in := func(want ...int) []point { return []point{{8, 8, [3]int(want)}} }
	adobe := []uint32{31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000}

	damaged := chunkOf("gAMA", 100_000)
	damaged[len(damaged)-1] ^= 1

	for name, c := range map[string]struct {
		body []byte
		want []point
	}{
		"lossy webp": {readFile(t, "webp-lossy-black-white.webp"), []point{{32, 32, [3]int{0, 0, 0}}, {96, 32, [3]int{255, 255, 255}}, {160, 32, [3]int{255, 1, 0}}}},
		"adobe rgb":  {readFile(t, "adobergb.jpg"), []point{{160, 32, [3]int{255, 0, 0}}, {224, 32, [3]int{0, 255, 0}}}},

		"inks by a profile": {readFile(t, "jpeg-inks.jpg"), []point{
			{8, 8, [3]int{255, 255, 255}}, {24, 8, [3]int{119, 119, 119}}, {40, 8, [3]int{255, 206, 255}}, {56, 8, [3]int{0, 0, 0}},
		}},

		"says nothing":                  {plainPNG(sample), in(200, 100, 50)},
		"srgb, though gamma differs":    {plainPNG(sample, chunkOf("gAMA", 100_000), picturetest.Chunk("sRGB", "\x00")), in(200, 100, 50)},
		"gamma of srgb":                 {plainPNG(sample, chunkOf("gAMA", 45_455)), in(200, 100, 50)},
		"gamma with a wrong checksum":   {plainPNG(sample, damaged), in(200, 100, 50)},
		"linear light":                  {plainPNG(sample, chunkOf("gAMA", 100_000)), in(229, 168, 122)},
		"a dark pixel in linear light":  {plainPNG(color.NRGBA{R: 2, G: 1, B: 0, A: 255}, chunkOf("gAMA", 100_000)), in(22, 13, 0)},
		"adobe rgb in numbers":          {plainPNG(sample, chunkOf("gAMA", 45_455-700), chunkOf("cHRM", adobe...)), in(226, 99, 41)},
		"display p3 by code points":     {plainPNG(sample, picturetest.Chunk("cICP", "\x0c\x0d\x00\x01")), in(215, 93, 31)},
		"green of display p3":           {plainPNG(color.NRGBA{G: 255, A: 255}, picturetest.Chunk("cICP", "\x0c\x0d\x00\x01")), in(0, 255, 0)},
		"code points, of which we know": {plainPNG(sample, picturetest.Chunk("cICP", "\x63\x0d\x00\x01")), in(200, 100, 50)},
		"white in pq":                   {plainPNG(color.NRGBA{R: 148, G: 148, B: 148, A: 255}, picturetest.Chunk("cICP", "\x09\x10\x00\x01")), in(255, 255, 255)},
		"white in hlg":                  {plainPNG(color.NRGBA{R: 191, G: 191, B: 191, A: 255}, picturetest.Chunk("cICP", "\x09\x12\x00\x01")), in(255, 255, 255)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			opener := picture.NewOpener(picture.Limits{}, 0)

			got, err := opener.Sanitize(t.Context(), c.body)
			require.NoError(t, err)

			info, thumbnail, err := opener.Open(t.Context(), c.body)
			require.NoError(t, err)

			small, err := jpeg.Decode(bytes.NewReader(thumbnail))
			require.NoError(t, err)

			for _, p := range c.want {
				requireColour(t, p.want, colourAt(decodeSanitized(t, got), p.x, p.y), "reference")
				requireColour(t, p.want, colourAt(small, p.x*small.Bounds().Dx()/info.Width, p.y*small.Bounds().Dy()/info.Height), "thumbnail")
			}
		})
	}
}

// TestOpener_LinearFixture compares a whole picture in linear light with the curve of sRGB.
func TestOpener_LinearFixture(t *testing.T) {
	t.Parallel()

	body := readFile(t, "png-gama-linear.png")

	got, err := picture.NewOpener(picture.Limits{}, 0).Sanitize(t.Context(), body)
	require.NoError(t, err)

	was, ok := decodePNG(t, body).(*image.RGBA)
	require.True(t, ok)

	for i, v := range was.Pix {
		if i%4 < 3 {
			was.Pix[i] = picture.SampleSRGB(v)
		}
	}

	require.Less(t, meanError(t, was, decodeSanitized(t, got)), 1.0)
}

// Samples of 16 bits in linear light have shadows that 8 bits do not.
func TestOpener_LinearShadows(t *testing.T) {
	t.Parallel()

	img := image.NewGray16(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		img.SetGray16(i%16, i/16, color.Gray16{Y: 0x0033}) // a fifth of the least of 8 bits
	}

	b := picturetest.PNG(img)
	b = append(append(bytes.Clone(b[:33]), chunkOf("gAMA", 100_000)...), b[33:]...)

	got, err := picture.NewOpener(picture.Limits{}, 0).Sanitize(t.Context(), b)
	require.NoError(t, err)
	requireColour(t, [3]int{3, 3, 3}, colourAt(decodeSanitized(t, got), 8, 8), "shadow")
}

// TestOpener_FineColours demands that a picture whose pixels have a colour each keeps them, turned too.
func TestOpener_FineColours(t *testing.T) {
	t.Parallel()

	for _, sampling := range []string{"444", "422", "440", "rgb"} {
		t.Run(sampling, func(t *testing.T) {
			t.Parallel()

			body := readFile(t, "jpeg-stripes-"+sampling+".jpg")
			opener := picture.NewOpener(picture.Limits{}, 0)

			got, err := opener.Sanitize(t.Context(), body)
			require.NoError(t, err)
			require.Less(t, meanError(t, decodeJPEG(t, body), decodeSanitized(t, got)), 3.0)

			_, thumbnail, err := opener.Open(t.Context(), body)
			require.NoError(t, err)
			require.Less(t, meanError(t, decodeJPEG(t, body), decodeJPEG(t, thumbnail)), 5.0)
		})
	}
}

func decodeJPEG(t testing.TB, b []byte) image.Image {
	t.Helper()

	img, err := jpeg.Decode(bytes.NewReader(b))
	require.NoError(t, err)

	return img
}

// profile is one of nothing but a header and tags.
func profile(tags ...string) []byte {
	b := make([]byte, 128)
	copy(b[12:], "mntrRGB XYZ ")
	copy(b[36:], "acsp")
	b[8] = 4
	b = binary.BigEndian.AppendUint32(b, uint32(len(tags)/2))
	at := len(b) + 12*len(tags)/2

	for i := 0; i < len(tags); i += 2 {
		b = append(b, tags[i]...)
		b = binary.BigEndian.AppendUint32(b, uint32(at))
		b = binary.BigEndian.AppendUint32(b, uint32(len(tags[i+1])))
		at += len(tags[i+1])
	}

	for i := 1; i < len(tags); i += 2 {
		b = append(b, tags[i]...)
	}

	return b
}

// TestIsSound has profiles that claim more than they hold, for which no room may be made.
func TestIsSound(t *testing.T) {
	t.Parallel()

	table := func(steps string) string {
		return "mAB \x00\x00\x00\x00\x03\x03\x00\x00" + string(make([]byte, 12)) + "\x00\x00\x00\x20\x00\x00\x00\x00" + steps + string(make([]byte, 120))
	}
	tags := profile()
	binary.BigEndian.PutUint32(tags[128:], 1<<32-1)

	beyond := profile("A2B0", "XYZ 12345678")
	binary.BigEndian.PutUint32(beyond[132+8:], 1<<31)

	require.True(t, picture.IsSound(profile("A2B0", table("\x02\x02\x02"), "rTRC", "curv\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\xff\xff")))
	require.False(t, picture.IsSound(nil))
	require.False(t, picture.IsSound(make([]byte, 500)), "no signature")
	require.False(t, picture.IsSound(tags), "tags")
	require.False(t, picture.IsSound(beyond), "a tag behind its end")
	require.False(t, picture.IsSound(profile("A2B0", table("\xff\xff\xff"))), "a table of 50 million numbers")
	require.False(t, picture.IsSound(profile("rTRC", "curv\x00\x00\x00\x00\xff\xff\xff\xf0\x00\x00")), "a curve of four thousand million points")

	// Whatever it is, the picture is made, as if it were sRGB.
	for _, p := range [][]byte{tags, beyond, profile("A2B0", table("\xff\xff\xff")), profile("A2B0", table("\x00\x00\x00")), profile()} {
		jpegBody := picturetest.JPEG(picturetest.Gradient(64, 48))
		segment := append([]byte("\xff\xe2\x00\x00ICC_PROFILE\x00\x01\x01"), p...)
		binary.BigEndian.PutUint16(segment[2:], uint16(len(segment)-2))

		got, err := picture.NewOpener(picture.Limits{}, 0).Sanitize(t.Context(), append(append(bytes.Clone(jpegBody[:2]), segment...), jpegBody[2:]...))
		require.NoError(t, err)
		require.Less(t, meanError(t, decodeJPEG(t, jpegBody), decodeSanitized(t, got)), 3.0)
	}
}

// Profiles come from outside like all else: whatever one holds, a picture is made, and at once.
func TestProveOpener_SanitizeTakesMutantProfiles(t *testing.T) {
	t.Parallel()

	n := 40
	if os.Getenv("IMAGERUN_PROVE") != "" {
		n = 1000
	}

	opener := picture.NewOpener(picture.Limits{}, 1)
	r := rand.New(rand.NewPCG(3, 4))

	for i := range n {
		body := bytes.Clone(readFile(t, []string{"adobergb.jpg", "jpeg-inks.jpg"}[i%2]))
		at := bytes.Index(body, []byte("ICC_PROFILE"))
		length := int(binary.BigEndian.Uint16(body[at-2:])) - 16
		icc := body[at+14 : at+14+length]

		for range 1 + r.IntN(4) {
			if where := r.IntN(length - 4); r.IntN(3) > 0 {
				icc[where] = byte(r.IntN(256))
			} else {
				binary.BigEndian.PutUint32(icc[where&^3:], []uint32{0, 1, 1 << 15, 1 << 31, 1<<32 - 1}[r.IntN(5)])
			}
		}

		begun := time.Now()
		got, err := opener.Sanitize(t.Context(), body)
		require.NoError(t, err)
		requirePicture(t, got)
		require.Less(t, time.Since(begun), 20*time.Second)
	}
}

func decodePNG(t testing.TB, b []byte) image.Image {
	t.Helper()

	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)

	return img
}

func decodeSanitized(t testing.TB, c picture.Sanitized) image.Image {
	t.Helper()

	if c.Format == picture.PNG {
		return decodePNG(t, c.Body)
	}

	img, err := jpeg.Decode(bytes.NewReader(c.Body))
	require.NoError(t, err)

	return img
}

// meanError is how far the pictures are apart, on white, in 255ths.
func meanError(t testing.TB, want, got image.Image) float64 {
	t.Helper()

	if want.Bounds().Size() != got.Bounds().Size() {
		return 255
	}

	var (
		sum  int
		size = want.Bounds().Size()
	)

	for y := range size.Y {
		for x := range size.X {
			a, b := onWhite(want.At(x, y)), onWhite(got.At(x, y))
			for c := range a {
				sum += max(a[c]-b[c], b[c]-a[c])
			}
		}
	}

	return float64(sum) / float64(3*size.X*size.Y)
}

func onWhite(c color.Color) [3]int {
	r, g, b, a := c.RGBA()
	white := 0xffff - a

	return [3]int{int(r+white) >> 8, int(g+white) >> 8, int(b+white) >> 8}
}
