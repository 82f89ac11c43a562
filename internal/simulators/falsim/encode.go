package falsim

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"github.com/HugoSmits86/nativewebp"
	"golang.org/x/image/webp"
)

// Paint returns the picture of a prompt, a seed and a size (pixels), as png, jpeg or webp.
func Paint(prompt string, seed int64, width, height int, format string) ([]byte, error) {
	return picture{subject: prompt, caption: prompt, seed: seed, width: width, height: height}.encodeAs(format)
}

// encodeAs writes the picture as png, jpeg or webp and returns the bytes.
func (p picture) encodeAs(format string) ([]byte, error) {
	var (
		buf bytes.Buffer
		err error
	)

	switch img := p.paintImage(); format {
	case "png":
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, img)
	case "jpeg":
		err = jpeg.Encode(&buf, toYCbCr(img), &jpeg.Options{Quality: 88})
	case "webp":
		if err = nativewebp.Encode(&buf, toNRGBA(img), nil); err != nil {
			break
		}

		// nativewebp 0.9 writes one file in some two hundred with a code longer than the format has
		// room for, which no decoder takes: the next seed's picture is as good.
		if _, broken := webp.Decode(bytes.NewReader(buf.Bytes())); broken != nil {
			p.seed++

			return p.encodeAs(format)
		}
	default:
		err = fmt.Errorf("no such format: %q", format)
	}

	return buf.Bytes(), err
}

// toYCbCr converts by table: the jpeg encoder would ask an indexed image for every pixel's colour
// through an interface, which is several times slower.
func toYCbCr(img *image.Paletted) *image.YCbCr {
	var table [256][3]uint8
	for i, c := range img.Palette {
		r, g, b, _ := c.RGBA()
		table[i][0], table[i][1], table[i][2] = color.RGBToYCbCr(uint8(r>>8), uint8(g>>8), uint8(b>>8)) //nolint:gosec // 16 to 8 bits
	}

	out := image.NewYCbCr(img.Rect, image.YCbCrSubsampleRatio444)
	for i, p := range img.Pix {
		out.Y[i], out.Cb[i], out.Cr[i] = table[p][0], table[p][1], table[p][2]
	}

	return out
}

// toNRGBA spreads the palette out: nativewebp 0.9 writes broken files of indexed images with 16
// colours or fewer, which a blacked out picture is.
func toNRGBA(img *image.Paletted) *image.NRGBA {
	var table [256][4]uint8
	for i, c := range img.Palette {
		r, g, b, a := c.RGBA()
		table[i] = [4]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), uint8(a >> 8)} //nolint:gosec // 16 to 8 bits
	}

	out := image.NewNRGBA(img.Rect)
	for i, p := range img.Pix {
		copy(out.Pix[i*4:], table[p][:])
	}

	return out
}

func contentType(format string) string { return "image/" + format }
