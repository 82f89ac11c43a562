package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// memoryCost is what a picture takes in memory, in bytes, never less than it really is.
type memoryCost struct {
	decode   int64 // while it is decoded, the image included
	image    int64 // the decoded image
	eightBit int64 // one of 8 bits a sample in its place, where it is of another kind
	// worst is what the decoder takes besides if the file was made to hurt. It cannot be told from
	// the header, so a picture that has it is let in alone rather than refused.
	worst int64
}

// computeMemoryCost computes what a picture that was inspected takes.
func computeMemoryCost(info Info, b []byte) memoryCost {
	pixels := int64(info.Width) * int64(info.Height)

	switch info.Format {
	case PNG:
		return memoryCostPNG(pixels, b)
	case JPEG:
		return memoryCostJPEG(info, b)
	default:
		return memoryCostWebP(pixels, b)
	}
}

// memoryCostPNG looks at the header chunk, which has one place (PNG 3rd edition, §11.2.1). Grey and
// palettes count like colours: a chunk that comes later may make them so.
func memoryCostPNG(pixels int64, b []byte) memoryCost {
	const depth, interlace = 24, 28

	w := memoryCost{image: 4 * pixels}
	if b[depth] == 16 {
		w.image, w.eightBit = 8*pixels, 4*pixels
	}

	w.decode = w.image
	if b[interlace] != 0 {
		w.decode *= 2 // each pass is an image of its own; together they are one more
	}

	return w
}

// memoryCostJPEG finds the frame header that says how the components are sampled. Which of several the
// decoder will take is not for us to know, so the heaviest counts; there is none in the data of a
// scan, where no byte of all ones is followed by another marker (ITU-T T.81, §B.1.1.5).
func memoryCostJPEG(info Info, b []byte) memoryCost {
	var (
		heaviest memoryCost
		height   = uint16(info.Height) //nolint:gosec // the header has no room for more
		width    = uint16(info.Width)  //nolint:gosec // likewise
		isRGB    = isAdobeRGB(b)
	)

	for i := 0; ; i++ {
		n := bytes.IndexByte(b[i:], 0xff)
		if n < 0 {
			return heaviest
		}

		i += n

		// marker, length, precision, height, width, number of components, three bytes for each
		frame := b[i:]
		if len(frame) < 10 || frame[1] < 0xc0 || frame[1] > 0xc2 ||
			binary.BigEndian.Uint16(frame[5:]) != height || binary.BigEndian.Uint16(frame[7:]) != width {
			continue
		}

		if w, ok := memoryCostFrame(frame, info, isRGB); ok && w.decode > heaviest.decode {
			heaviest = w
		}
	}
}

func memoryCostFrame(frame []byte, info Info, adobeRGB bool) (memoryCost, bool) {
	components := int(frame[9])
	if components > 4 || len(frame) < 10+3*components {
		return memoryCost{}, false
	}

	var hMax, vMax, units int64 = 1, 1, 0

	for c := range components {
		h, v := int64(frame[10+3*c+1]>>4), int64(frame[10+3*c+1]&15)
		hMax, vMax, units = max(hMax, h), max(vMax, v), units+h*v
	}

	if hMax > 4 || vMax > 4 {
		return memoryCost{}, false // the decoder refuses it
	}

	// Components come in units of 8 × 8 for each of hMax × vMax blocks of the image.
	across := (int64(info.Width) + 8*hMax - 1) / (8 * hMax)
	down := (int64(info.Height) + 8*vMax - 1) / (8 * vMax)
	samples := across * down * 64 * units

	w := memoryCost{image: samples, decode: samples}

	if components == 4 || (components == 3 && (adobeRGB || string([]byte{frame[10], frame[13], frame[16]}) == "RGB")) {
		// Converted to four bytes a pixel at the end, for which all of the planes are needed.
		pixels := int64(info.Width) * int64(info.Height)
		w.image, w.decode, w.eightBit = 4*pixels, samples+4*pixels, pixels // a plane of it while it is written
	}

	if hMax == 4 {
		w.image = max(w.image, 6*int64(info.Width)*int64(info.Height)) // if it is to be turned
	}

	if frame[1] == 0xc2 {
		w.decode += 4 * samples // progressive: coefficients are kept until the last scan
	}

	return w, true
}

// isAdobeRGB reports whether a marker of Adobe's says that three components are not YCbCr.
func isAdobeRGB(b []byte) bool {
	const before, transform = 4, 11 // of marker and length, and to the byte that says so

	for i := 0; ; i++ {
		n := bytes.Index(b[i:], []byte("Adobe"))
		if n < 0 {
			return false
		}

		i += n
		if i >= before && len(b) > i+transform && b[i-before] == 0xff && b[i-before+1] == 0xee && b[i+transform] == 0 {
			return true
		}
	}
}

// webpAlpha is the flag of the extended format that promises a chunk of alpha.
const webpAlpha = 1 << 4

// memoryCostWebP goes by the chunks (RFC 9649, §2): the extended format's may be any of the others.
func memoryCostWebP(pixels int64, b []byte) memoryCost {
	const flags = 20

	lossless := bytes.Contains(b, []byte("VP8L"))

	switch {
	case string(b[12:16]) == "VP8X" && b[flags]&webpAlpha != 0:
		// The plane of alpha is a lossless picture of its own.
		return memoryCost{decode: 10 * pixels, image: 4 * pixels, eightBit: 4 * pixels, worst: maxTreeMemory(pixels, b)}
	case lossless:
		return memoryCost{decode: 6 * pixels, image: 4 * pixels, worst: maxTreeMemory(pixels, b)}
	default:
		return memoryCost{decode: 2 * pixels, image: 2 * pixels}
	}
}

// maxTreeMemory is the most that the Huffman trees of lossless WebP take: golang.org/x/image refuses more
// than 2,600 groups of them, needs a tile of 4 × 4 pixels for each, and 192 bytes of file.
func maxTreeMemory(pixels int64, b []byte) int64 {
	const groups, each, read = 2600, 52 << 10, 192

	return each * min(groups, pixels/16+1, int64(len(b))/read+1)
}

// maxScans is how many scans a JPEG may have. Encoders make about ten; each goes over all of the
// picture, whatever few bytes it has, so that a small file can keep a core busy for hours.
const maxScans = 100

// refuseHostile refuses what is well-formed and meant to hurt, or to move.
func refuseHostile(format Format, b []byte) error {
	switch format {
	case JPEG:
		if bytes.Count(b, []byte("\xff\xda")) > maxScans {
			return fmt.Errorf("%w: more scans than a picture has", ErrDamaged)
		}
	case PNG:
		if len(b) < 33 {
			return fmt.Errorf("%w: no header", ErrDamaged)
		}
	case WebP:
		const flags, animation = 20, 1 << 1

		switch {
		case len(b) <= flags:
			return fmt.Errorf("%w: no header", ErrDamaged)
		case string(b[12:16]) == "VP8X" && b[flags]&animation != 0:
			return ErrAnimated
		}
	}

	return nil
}
