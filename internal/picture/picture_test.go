package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"sync"
	"testing"

	"github.com/HugoSmits86/nativewebp"
	"github.com/stretchr/testify/require"

	"imagerun/internal/picture"
)

// gradient is a picture that does not compress to nothing.
func gradient(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))

	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(x * 7), G: uint8(y * 5), B: uint8(x ^ y), A: 255})
		}
	}

	return img
}

func encode(t testing.TB, format picture.Format, img image.Image) []byte {
	t.Helper()

	var b bytes.Buffer

	switch format {
	case picture.PNG:
		require.NoError(t, png.Encode(&b, img))
	case picture.JPEG:
		require.NoError(t, jpeg.Encode(&b, img, nil))
	case picture.WebP:
		require.NoError(t, nativewebp.Encode(&b, img, nil))
	}

	return b.Bytes()
}

func formats() []picture.Format { return []picture.Format{picture.PNG, picture.JPEG, picture.WebP} }

func TestOpener_Open(t *testing.T) {
	t.Parallel()

	opener := picture.NewOpener(picture.Limits{}, 0)
	extensions := map[picture.Format]string{picture.PNG: "png", picture.JPEG: "jpg", picture.WebP: "webp"}

	for _, format := range formats() {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()

			info, thumbnail, err := opener.Open(t.Context(), encode(t, format, gradient(1024, 640)))
			require.NoError(t, err)
			require.Equal(t, picture.Info{Format: format, Width: 1024, Height: 640}, info)
			require.Equal(t, "image/"+string(format), info.Format.ContentType())
			require.Equal(t, extensions[format], info.Format.Extension())

			thumb, err := jpeg.Decode(bytes.NewReader(thumbnail))
			require.NoError(t, err)
			require.Equal(t, image.Pt(512, 320), thumb.Bounds().Size())
		})
	}
}

func TestOpener_Thumbnail(t *testing.T) {
	t.Parallel()

	opener := picture.NewOpener(picture.Limits{}, 0)
	thumb := func(t *testing.T, img image.Image) image.Image {
		t.Helper()

		_, thumbnail, err := opener.Open(t.Context(), encode(t, picture.PNG, img))
		require.NoError(t, err)

		small, err := jpeg.Decode(bytes.NewReader(thumbnail))
		require.NoError(t, err)

		return small
	}

	for _, test := range []struct{ size, want image.Point }{
		{image.Pt(512, 512), image.Pt(512, 512)},
		{image.Pt(100, 60), image.Pt(100, 60)}, // never enlarged
		{image.Pt(1, 1), image.Pt(1, 1)},
		{image.Pt(576, 1024), image.Pt(288, 512)},
		{image.Pt(4000, 2), image.Pt(512, 1)}, // never nothing
		{image.Pt(513, 512), image.Pt(512, 511)},
	} {
		require.Equal(t, test.want, thumb(t, gradient(test.size.X, test.size.Y)).Bounds().Size())
	}

	t.Run("TransparentBecomesWhite", func(t *testing.T) {
		t.Parallel()

		for _, size := range []int{64, 1024} { // copied, and shrunk
			r, g, b, _ := thumb(t, image.NewNRGBA(image.Rect(0, 0, size, size))).At(20, 20).RGBA()
			require.Equal(t, []uint32{0xffff, 0xffff, 0xffff}, []uint32{r, g, b})
		}
	})

	t.Run("LooksLikeThePicture", func(t *testing.T) {
		t.Parallel()

		img := image.NewNRGBA(image.Rect(0, 0, 2000, 1000))
		for y := range 1000 {
			for x := range 2000 {
				c := color.NRGBA{R: 255, A: 255}
				if x >= 1000 {
					c = color.NRGBA{B: 255, A: 255}
				}

				img.SetNRGBA(x, y, c)
			}
		}

		small := thumb(t, img)
		left, _, _, _ := small.At(100, 128).RGBA()
		_, _, right, _ := small.At(400, 128).RGBA()
		require.Greater(t, left, uint32(0xf000))
		require.Greater(t, right, uint32(0xf000))
	})
}

// pngHeader claims a size and holds no pixels.
func pngHeader(width, height uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, width)
	chunk = binary.BigEndian.AppendUint32(chunk, height)
	chunk = append(chunk, 8, 6, 0, 0, 0)

	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, chunk...)

	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(chunk))
}

func TestOpener_Refuses(t *testing.T) {
	t.Parallel()

	var animated bytes.Buffer

	require.NoError(t, gif.Encode(&animated, gradient(8, 8), nil))

	whole := encode(t, picture.PNG, gradient(64, 64))
	broken := bytes.Clone(whole)
	broken[len(broken)/2] ^= 0xff

	tests := map[string]struct {
		body []byte
		want error
	}{
		"nothing":             {nil, picture.ErrFormat},
		"html":                {[]byte("<!doctype html><script>alert(1)</script>"), picture.ErrFormat},
		"svg":                 {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), picture.ErrFormat},
		"json":                {[]byte(`{"detail":"Not found"}`), picture.ErrFormat},
		"gif":                 {animated.Bytes(), picture.ErrUnsupported},
		"html before a png":   {append([]byte("<html>"), whole...), picture.ErrFormat},
		"signature alone":     {[]byte("\x89PNG\r\n\x1a\n"), picture.ErrDamaged},
		"jpeg marker alone":   {[]byte("\xff\xd8\xff"), picture.ErrDamaged},
		"webp header alone":   {[]byte("RIFF\x10\x00\x00\x00WEBPVP8 "), picture.ErrDamaged},
		"sound in riff":       {[]byte("RIFF\x10\x00\x00\x00WAVEfmt 0123"), picture.ErrFormat},
		"text after the mark": {[]byte("\x89PNG\r\n\x1a\n<script>alert(1)</script>"), picture.ErrDamaged},
		"flipped byte":        {broken, picture.ErrDamaged},
		"header without data": {pngHeader(64, 64), picture.ErrDamaged},
		"no width":            {pngHeader(0, 64), picture.ErrDamaged},
		"bomb":                {pngHeader(8000, 8000), picture.ErrTooBig},
		"wide bomb":           {pngHeader(100_000, 1), picture.ErrTooBig},
		"overflowing bomb":    {pngHeader(1<<31-1, 1<<31-1), picture.ErrDamaged},
		"too many bytes":      {append(bytes.Clone(whole), make([]byte, 32<<20)...), picture.ErrTooBig},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			info, thumbnail, err := picture.NewOpener(picture.Limits{}, 0).Open(t.Context(), test.body)

			require.ErrorIs(t, err, picture.ErrNotPicture)
			require.ErrorIs(t, err, test.want)
			require.NotContains(t, err.Error(), "script")
			require.Empty(t, info)
			require.Nil(t, thumbnail)
		})
	}

	// An image that is cut off anywhere is no image.
	for _, format := range formats() {
		t.Run("truncated "+string(format), func(t *testing.T) {
			t.Parallel()

			b := encode(t, format, gradient(64, 64))

			for _, length := range []int{len(b) / 10, len(b) / 2, len(b) * 9 / 10} {
				_, _, err := picture.NewOpener(picture.Limits{}, 0).Open(t.Context(), b[:length])
				require.ErrorIs(t, err, picture.ErrNotPicture, "%d of %d bytes", length, len(b))
			}
		})
	}
}

func TestInspect_Limits(t *testing.T) {
	t.Parallel()

	b := encode(t, picture.PNG, gradient(30, 20))

	for _, fits := range []picture.Limits{{}, {MaxBytes: len(b)}, {MaxPixels: 600}, {MaxSide: 30}} {
		_, err := picture.Inspect(b, fits)
		require.NoError(t, err)
	}

	for _, small := range []picture.Limits{{MaxBytes: len(b) - 1}, {MaxPixels: 599}, {MaxSide: 29}} {
		_, err := picture.Inspect(b, small)
		require.ErrorIs(t, err, picture.ErrTooBig)
	}
}

func TestOpener_WaitsForATurn(t *testing.T) {
	t.Parallel()

	opener := picture.NewOpener(picture.Limits{}, 1)
	b := encode(t, picture.PNG, gradient(32, 32))

	free := opener.Occupy()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, _, err := opener.Open(ctx, b)
	require.ErrorIs(t, err, context.Canceled)

	// What is refused by its first bytes waits for no turn.
	_, _, err = opener.Open(ctx, []byte("text"))
	require.ErrorIs(t, err, picture.ErrNotPicture)

	free()

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, _, err := opener.Open(t.Context(), b)
			if err != nil {
				t.Error(err)
			}
		})
	}

	all.Wait()
}

func FuzzOpener_Open(f *testing.F) {
	for _, format := range formats() {
		b := encode(f, format, gradient(16, 12))
		f.Add(b)
		f.Add(b[:len(b)/2])
	}

	f.Add([]byte("<svg/>"))
	f.Add(pngHeader(4, 4))

	opener := picture.NewOpener(picture.Limits{MaxBytes: 1 << 20, MaxPixels: 1 << 16, MaxSide: 1024}, 0)

	f.Fuzz(func(t *testing.T, b []byte) {
		info, thumbnail, err := opener.Open(t.Context(), b)
		if err != nil {
			require.ErrorIs(t, err, picture.ErrNotPicture)

			return
		}

		cfg, err := jpeg.DecodeConfig(bytes.NewReader(thumbnail))
		require.NoError(t, err)
		require.LessOrEqual(t, max(cfg.Width, cfg.Height), picture.ThumbnailSide)
		require.LessOrEqual(t, info.Width*info.Height, 1<<16)
	})
}

func BenchmarkOpener_Open(b *testing.B) {
	for _, format := range formats() {
		body := encode(b, format, gradient(1024, 1024))
		opener := picture.NewOpener(picture.Limits{}, 0)

		b.Run(string(format), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()

			for b.Loop() {
				_, _, err := opener.Open(b.Context(), body)
				require.NoError(b, err)
			}
		})
	}
}
