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
	// maxSanitized bounds what is written; a picture that needs more is [ErrTooBig].
	maxSanitized = 24 << 20
	// sanitizeQuality is that of a JPEG which is encoded a second time: the difference is not seen.
	sanitizeQuality = 92
)

// Sanitized is a picture of our own making.
type Sanitized struct {
	Info

	Body []byte
}

// Sanitize makes a picture of the pixels of b and of nothing else: no EXIF, no XMP, no comment, nothing
// that is behind the end. It is upright, as the EXIF orientation has it (CIPA DC-008, §4.6.5.1.6), and
// in sRGB, into which its colour profile was turned, with colours as finely sampled as before. A PNG
// stays a PNG and a JPEG a JPEG; a WebP becomes a JPEG if it was lossy and opaque, and a PNG
// otherwise, since we write no WebP. Samples of 16 bits become 8.
// It waits for its turn. The errors are [ErrNotPicture] and ctx's.
func (o *Opener) Sanitize(ctx context.Context, b []byte) (Sanitized, error) {
	info, err := Inspect(b, o.limits)
	if err != nil {
		return Sanitized{}, err
	}

	orient, w, colours := readOrientation(info.Format, b), computeMemoryCost(info, b), readColours(info.Format, b)

	// What is written is copied as it grows, and is not larger than what it is made of.
	memory := w.decode + w.eightBit + 2*min(maxSanitized, w.image+64<<10) + colours.conversionMemory()
	if orient != normal {
		memory += w.image
	}

	free, err := o.acquireMemory(ctx, memory, w.worst)
	if err != nil {
		return Sanitized{}, err
	}
	defer free()

	img, err := o.decodeInspected(info, b)
	if err != nil {
		return Sanitized{}, err
	}

	img = orientImage(toEightBit(convertToSRGB(img, colours)), orient)
	out := Sanitized{Info: Info{Format: sanitizedFormat(info.Format, img), Width: img.Bounds().Dx(), Height: img.Bounds().Dy()}}

	out.Body, err = encodePicture(out.Format, img)
	if err != nil {
		return Sanitized{}, err
	}

	return out, nil
}

func sanitizedFormat(was Format, img image.Image) Format {
	if _, opaque := img.(*image.YCbCr); was == WebP && opaque {
		return JPEG
	} else if was == WebP {
		return PNG
	}

	return was
}

func encodePicture(f Format, img image.Image) ([]byte, error) {
	var (
		out bounded
		err error
	)

	if f == JPEG {
		err = encodeJPEG(&out, img, sanitizeQuality)
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

// bounded takes maxSanitized bytes.
type bounded struct{ bytes.Buffer }

// Write implements [io.Writer].
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxSanitized {
		return 0, errFull
	}

	return b.Buffer.Write(p)
}

// toEightBit makes images of 8 bits of those that our encoders, or models, take ill or slowly.
func toEightBit(img image.Image) image.Image {
	switch img := img.(type) {
	case *image.Gray16:
		out := image.NewGray(img.Rect)
		copyHighBytes(out.Pix, img.Pix)

		return out
	case *image.RGBA64:
		out := image.NewRGBA(img.Rect)
		copyHighBytes(out.Pix, img.Pix)

		return out
	case *image.NRGBA64:
		out := image.NewNRGBA(img.Rect)
		copyHighBytes(out.Pix, img.Pix)

		return out
	default:
		return img
	}
}

// copyHighBytes copies the more significant byte of each sample. Images fresh from a decoder have no gaps
// between their rows.
func copyHighBytes(dst, src []byte) {
	for i := range dst {
		dst[i] = src[2*i]
	}
}

func toNRGBA(img *image.NYCbCrA) image.Image {
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
