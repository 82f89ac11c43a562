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
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/picture"
	"imagerun/internal/picture/picturetest"
)

func TestOpener_Sanitize(t *testing.T) {
	t.Parallel()

	opener := picture.NewOpener(picture.Limits{}, 0)
	half := picturetest.Gradient(30, 20)
	half.Pix[3] = 100

	for name, c := range map[string]struct {
		body []byte
		want picture.Format
	}{
		"png":              {picturetest.PNG(picturetest.Gradient(30, 20)), picture.PNG},
		"transparent png":  {picturetest.PNG(half), picture.PNG},
		"png of 16 bits":   {picturetest.PNG(image.NewNRGBA64(image.Rect(0, 0, 30, 20))), picture.PNG},
		"grey of 16 bits":  {picturetest.PNG(image.NewGray16(image.Rect(0, 0, 30, 20))), picture.PNG},
		"jpeg":             {picturetest.JPEG(picturetest.Gradient(30, 20)), picture.JPEG},
		"grey jpeg":        {picturetest.JPEG(image.NewGray(image.Rect(0, 0, 30, 20))), picture.JPEG},
		"lossless webp":    {picturetest.WebP(picturetest.Gradient(30, 20)), picture.PNG},
		"transparent webp": {picturetest.WebP(half), picture.PNG},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := opener.Sanitize(t.Context(), c.body)
			require.NoError(t, err)
			require.Equal(t, picture.Info{Format: c.want, Width: 30, Height: 20}, got.Info)

			img, format, err := image.Decode(bytes.NewReader(got.Body))
			require.NoError(t, err)
			require.Equal(t, string(c.want), format)
			require.Equal(t, image.Pt(30, 20), img.Bounds().Size())

			// Of the same pixels, but for what JPEG loses.
			was, _, err := image.Decode(bytes.NewReader(c.body))
			if err != nil { // no decoder of WebP is registered here
				return
			}

			r, _, _, a := was.At(9, 9).RGBA()
			r2, _, _, a2 := img.At(9, 9).RGBA()
			require.InDelta(t, r, r2, 0x1000)
			require.InDelta(t, a, a2, 0x1000)
		})
	}
}

// redAt reports in which quarter of the picture, of left and right, top and bottom, the red one is.
func redAt(t *testing.T, img image.Image) string {
	t.Helper()

	size, at := img.Bounds().Size(), ""

	for name, p := range map[string]image.Point{"top left": {1, 1}, "top right": {3, 1}, "bottom left": {1, 3}, "bottom right": {3, 3}} {
		c, ok := color.NRGBAModel.Convert(img.At(p.X*size.X/4, p.Y*size.Y/4)).(color.NRGBA)
		require.True(t, ok)

		if c.R > 200 && c.G < 80 && c.B < 80 {
			require.Empty(t, at)

			at = name
		}
	}

	return at
}

// TestOpener_Sanitize_Upright turns each picture as its EXIF says, in all formats, and forgets why.
func TestOpener_Sanitize_Upright(t *testing.T) {
	t.Parallel()

	opener := picture.NewOpener(picture.Limits{}, 0)
	where := []string{
		1: "top left", "top right", "bottom right", "bottom left", "top left", "top right", "bottom right", "bottom left",
	}

	for orientation, corner := range where {
		if orientation == 0 {
			continue
		}

		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			exif := picturetest.EXIF(orientation, order)

			// An odd width and height, so that planes of colour are not half of those of light.
			for name, body := range map[string][]byte{
				"jpeg": picturetest.JPEGWithMetadata(picturetest.Corner(61, 41), exif),
				"png":  picturetest.PNGWithMetadata(picturetest.Corner(61, 41), exif),
				"webp": picturetest.WebPWithMetadata(picturetest.Corner(61, 41), exif),
			} {
				got, err := opener.Sanitize(t.Context(), body)
				require.NoError(t, err, name)

				want := image.Pt(61, 41)
				if orientation > 4 {
					want = image.Pt(41, 61)
				}

				img, _, err := image.Decode(bytes.NewReader(got.Body))
				require.NoError(t, err)
				require.Equal(t, want, img.Bounds().Size(), "%s %d", name, orientation)
				require.Equal(t, want, image.Pt(got.Width, got.Height))
				require.Equal(t, corner, redAt(t, img), "%s %d", name, orientation)

				for _, needle := range picturetest.Needles() {
					require.NotContains(t, string(got.Body), needle, "%s %d", name, orientation)
				}
			}
		}
	}

	// What cannot be read turns nothing.
	fine := picturetest.EXIF(6, binary.BigEndian)
	for name, exif := range map[string][]byte{
		"nothing": nil, "no directory": fine[:8], "half a directory": fine[:20], "elsewhere": append([]byte("MM\x00*\xff\xff\xff\xff"), fine[8:]...),
		"neither order": append([]byte("XX"), fine[2:]...), "no such turn": picturetest.EXIF(9, binary.BigEndian), "zero": picturetest.EXIF(0, binary.BigEndian),
	} {
		got, err := opener.Sanitize(t.Context(), picturetest.JPEGWithMetadata(picturetest.Corner(60, 40), exif))
		require.NoError(t, err, name)
		require.Equal(t, 60, got.Width, name)
	}
}

func TestOpener_Sanitize_Refuses(t *testing.T) {
	t.Parallel()

	opener := picture.NewOpener(picture.Limits{}, 0)
	causes := map[string]error{
		"not_a_picture": picture.ErrFormat, "damaged": picture.ErrDamaged, "too_large": picture.ErrTooBig,
		"unsupported": picture.ErrUnsupported, "animated": picture.ErrAnimated,
	}

	for _, f := range picturetest.Hostile() {
		if f.Reason == "type_mismatch" {
			continue // a name is not for this package to judge
		}

		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()

			got, err := opener.Sanitize(t.Context(), f.Body)
			if f.Reason == "" {
				require.NoError(t, err)
				requirePicture(t, got)

				return
			}

			require.ErrorIs(t, err, picture.ErrNotPicture)
			require.ErrorIs(t, err, causes[f.Reason])
			require.NotContains(t, err.Error(), "script")
			require.Empty(t, got)
		})
	}
}

// requirePicture demands a picture that a decoder takes to its end, and that holds nothing else.
func requirePicture(t testing.TB, got picture.Sanitized) {
	t.Helper()

	var (
		img image.Image
		err error
		in  = bytes.NewReader(got.Body)
	)

	if got.Format == picture.JPEG {
		img, err = jpeg.Decode(in)
	} else {
		img, err = png.Decode(in)
	}

	require.NoError(t, err)
	require.Equal(t, image.Pt(got.Width, got.Height), img.Bounds().Size())

	for _, needle := range append(picturetest.Needles(), "script", "PK\x03\x04") {
		require.NotContains(t, string(got.Body), needle)
	}
}

func TestProveOpener_SanitizeTakesMutants(t *testing.T) {
	t.Parallel()

	n := 300
	if os.Getenv("IMAGERUN_PROVE") != "" {
		n = 10_000
	}

	opener := picture.NewOpener(picture.Limits{}, 0)
	r := rand.New(rand.NewPCG(1, 2))
	seeds := picturetest.Seeds()
	made := 0

	for range n {
		f := picturetest.Mutant(r, seeds)

		got, err := opener.Sanitize(t.Context(), f.Body)
		if err != nil {
			require.ErrorIs(t, err, picture.ErrNotPicture)

			continue
		}

		made++

		requirePicture(t, got)
	}

	require.Greater(t, made, n/10, "some were fine")
	require.Less(t, made, n*9/10, "some were not")
}

func FuzzOpener_Sanitize(f *testing.F) {
	for _, seed := range append(picturetest.Seeds(), picturetest.Hostile()...) {
		if len(seed.Body) < 100_000 {
			f.Add(seed.Body)
		}
	}

	opener := picture.NewOpener(picture.Limits{MaxBytes: 1 << 20, MaxPixels: 1 << 16, MaxSide: 1024}, 0)

	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := opener.Sanitize(t.Context(), b)
		if err != nil {
			require.ErrorIs(t, err, picture.ErrNotPicture)

			return
		}

		requirePicture(t, got)
	})
}
