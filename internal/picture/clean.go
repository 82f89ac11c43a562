package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

const (
	// cleanMost bounds what is written; a picture that needs more is [ErrTooBig].
	cleanMost = 24 << 20
	// cleanQuality is that of a JPEG which is encoded a second time: the difference is not seen.
	cleanQuality = 92
)

// Cleaned is a picture of our own making.
type Cleaned struct {
	Info

	Body []byte
}

// Clean makes a picture of the pixels of b and of nothing else: no EXIF, no XMP, no comment, nothing
// that is behind the end. It is upright, as the EXIF orientation has it (CIPA DC-008, §4.6.5.1.6), and
// in sRGB, into which its colour profile was turned, with colours as finely sampled as before. A PNG
// stays a PNG and a JPEG a JPEG; a WebP becomes a JPEG if it was lossy and opaque, and a PNG
// otherwise, since we write no WebP. Samples of 16 bits become 8.
// It waits for its turn. The errors are [ErrNotPicture] and ctx's.
func (o *Opener) Clean(ctx context.Context, b []byte) (Cleaned, error) {
	info, err := Inspect(b, o.limits)
	if err != nil {
		return Cleaned{}, err
	}

	turn, w, colours := orientation(info.Format, b), weigh(info, b), readColours(info.Format, b)

	// What is written is copied as it grows, and is not larger than what it is made of.
	memory := w.decode + w.plain + 2*min(cleanMost, w.image+64<<10) + colours.memory()
	if turn != upright {
		memory += w.image
	}

	free, err := o.take(ctx, memory, w.worst)
	if err != nil {
		return Cleaned{}, err
	}
	defer free()

	img, err := o.decode(info, b)
	if err != nil {
		return Cleaned{}, err
	}

	img = oriented(plain(convertToSRGB(img, colours)), turn)
	out := Cleaned{Info: Info{Format: cleanFormat(info.Format, img), Width: img.Bounds().Dx(), Height: img.Bounds().Dy()}}

	out.Body, err = encode(out.Format, img)
	if err != nil {
		return Cleaned{}, err
	}

	return out, nil
}

func cleanFormat(was Format, img image.Image) Format {
	if _, opaque := img.(*image.YCbCr); was == WebP && opaque {
		return JPEG
	} else if was == WebP {
		return PNG
	}

	return was
}

func encode(f Format, img image.Image) ([]byte, error) {
	var (
		out bounded
		err error
	)

	if f == JPEG {
		err = encodeJPEG(&out, img, cleanQuality)
	} else {
		// A person waits for it: half the time, for a tenth more bytes.
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, img)
	}

	switch {
	case errors.Is(err, errFull):
		return nil, ErrNotPicture.WithCause(ErrTooBig)
	case err != nil:
		return nil, fmt.Errorf("encode picture: %w", err)
	}

	return out.Bytes(), nil
}

var errFull = errors.New("more bytes than allowed")

// bounded takes cleanMost bytes.
type bounded struct{ bytes.Buffer }

// Write implements [io.Writer].
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > cleanMost {
		return 0, errFull
	}

	return b.Buffer.Write(p)
}

// plain makes images of 8 bits of those that our encoders, or models, take ill or slowly.
func plain(img image.Image) image.Image {
	switch img := img.(type) {
	case *image.Gray16:
		out := image.NewGray(img.Rect)
		high(out.Pix, img.Pix)

		return out
	case *image.RGBA64:
		out := image.NewRGBA(img.Rect)
		high(out.Pix, img.Pix)

		return out
	case *image.NRGBA64:
		out := image.NewNRGBA(img.Rect)
		high(out.Pix, img.Pix)

		return out
	default:
		return img
	}
}

// high copies the more significant byte of each sample. Images fresh from a decoder have no gaps
// between their rows.
func high(dst, src []byte) {
	for i := range dst {
		dst[i] = src[2*i]
	}
}

func unpacked(img *image.NYCbCrA) image.Image {
	out := image.NewNRGBA(image.Rectangle{Max: img.Rect.Size()})
	i := 0

	for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
		for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
			yi, ci := img.YOffset(x, y), img.COffset(x, y)
			out.Pix[i], out.Pix[i+1], out.Pix[i+2] = color.YCbCrToRGB(img.Y[yi], img.Cb[ci], img.Cr[ci])
			out.Pix[i+3] = img.A[img.AOffset(x, y)]
			i += 4
		}
	}

	return out
}
