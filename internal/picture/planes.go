package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

// encodeJPEG writes img with its colours sampled as finely as they are. The standard encoder keeps
// a quarter of them, unless the picture is grey. So each plane is encoded as a grey picture, and the
// three become the scans of one file, each of a single component (ITU-T T.81, §A.2.2).
func encodeJPEG(out *bounded, img image.Image, quality int) error {
	size := img.Bounds().Size()

	switch img := img.(type) {
	case *image.YCbCr:
		if img.SubsampleRatio == image.YCbCrSubsampleRatio420 {
			return jpeg.Encode(out, img, &jpeg.Options{Quality: quality}) // what it writes anyway
		}

		across, down := readSampling(img.SubsampleRatio)
		small := image.Rectangle{Max: chromaSize(size, img.SubsampleRatio)}

		return encodePlanes(out, size, quality, byte(across<<4|down), func(component int) *image.Gray { //nolint:gosec // at most four each
			switch component {
			case 1:
				return &image.Gray{Pix: img.Y, Stride: img.YStride, Rect: image.Rectangle{Max: size}}
			case 2:
				return &image.Gray{Pix: img.Cb, Stride: img.CStride, Rect: small}
			default:
				return &image.Gray{Pix: img.Cr, Stride: img.CStride, Rect: small}
			}
		})
	case *image.RGBA:
		plane := image.NewGray(image.Rectangle{Max: size})

		return encodePlanes(out, size, quality, 0x11, func(component int) *image.Gray {
			extractPlane(plane, img, component)

			return plane
		})
	default:
		return jpeg.Encode(out, img, &jpeg.Options{Quality: quality})
	}
}

// extractPlane makes a plane of the luma or of one of the colours of img.
func extractPlane(plane *image.Gray, img *image.RGBA, component int) {
	for y := range plane.Rect.Max.Y {
		row := img.Pix[y*img.Stride:]

		for x := range plane.Rect.Max.X {
			luma, cb, cr := color.RGBToYCbCr(row[4*x], row[4*x+1], row[4*x+2])
			plane.Pix[y*plane.Stride+x] = [...]byte{luma, cb, cr}[component-1]
		}
	}
}

// encodePlanes writes the planes of components 1 to 3 as one picture of that size; sampling says how
// many samples of light there are for each of colour, across and down.
func encodePlanes(out *bounded, size image.Point, quality int, sampling byte, plane func(component int) *image.Gray) error {
	const components, endOfImage = 3, 2

	for component := 1; component <= components; component++ {
		w := &scanWriter{out: out, size: size, sampling: sampling, component: byte(component)}

		if err := jpeg.Encode(w, plane(component), &jpeg.Options{Quality: quality}); err != nil {
			return err
		}

		if component < components {
			out.Truncate(out.Len() - endOfImage)
		}
	}

	return nil
}

// scanWriter takes a grey JPEG and writes what of it belongs into a picture of three planes.
type scanWriter struct {
	out       *bounded
	size      image.Point
	sampling  byte
	component byte // from 1
	begun     bool
}

var errHeader = errors.New("the encoder's header is not the known one")

// Write implements [io.Writer]. The encoder's buffer is larger than its header, so the header comes
// in one piece.
func (w *scanWriter) Write(p []byte) (int, error) {
	if w.begun {
		return w.out.Write(p)
	}

	const (
		frame   = "\xff\xc0\x00\x0b" // a frame of one component, …
		inFrame = 13                 // … and its bytes
		scan    = "\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
		id      = 5
	)

	frameAt, scanAt := bytes.Index(p, []byte(frame)), bytes.Index(p, []byte(scan))
	if frameAt < 0 || scanAt < frameAt+inFrame {
		return 0, fmt.Errorf("write plane %d: %w", w.component, errHeader)
	}

	var header []byte

	if w.component == 1 {
		header = append(header, p[:frameAt]...)
		header = append(header, 0xff, 0xc0, 0, 17, 8, byte(w.size.Y>>8), byte(w.size.Y), byte(w.size.X>>8), byte(w.size.X),
			3, 1, w.sampling, 0, 2, 0x11, 0, 3, 0x11, 0)
		header = append(header, p[frameAt+inFrame:scanAt]...)
	}

	header = append(header, scan...)
	header[len(header)-len(scan)+id] = w.component
	w.begun = true

	if _, err := w.out.Write(header); err != nil {
		return 0, err
	}

	n, err := w.out.Write(p[scanAt+len(scan):])

	return scanAt + len(scan) + n, err
}
