// Package picturetest makes pictures for tests, and reads what they say of themselves: fine ones, ones that say too much of their
// photographer, and ones that are meant to hurt.
package picturetest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"

	"github.com/HugoSmits86/nativewebp"
)

// Gradient is a picture that does not compress to nothing.
func Gradient(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))

	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(x * 7), G: uint8(y * 5), B: uint8(x ^ y), A: 255})
		}
	}

	return img
}

// Corner is white, but for its first quarter, which is red: one sees how it was turned.
func Corner(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))

	for y := range height {
		for x := range width {
			c := color.NRGBA{R: 255, G: 255, B: 255, A: 255}
			if x < width/2 && y < height/2 {
				c.G, c.B = 0, 0
			}

			img.SetNRGBA(x, y, c)
		}
	}

	return img
}

// PNG encodes img.
func PNG(img image.Image) []byte {
	var b bytes.Buffer

	panicOn(png.Encode(&b, img))

	return b.Bytes()
}

// JPEG encodes img.
func JPEG(img image.Image) []byte {
	var b bytes.Buffer

	panicOn(jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}))

	return b.Bytes()
}

// WebP encodes img without loss.
func WebP(img image.Image) []byte {
	var b bytes.Buffer

	panicOn(nativewebp.Encode(&b, img, nil))

	return b.Bytes()
}

func panicOn(err error) {
	if err != nil {
		panic(err)
	}
}

// Needles are texts that the pictures with metadata hold, each in another place.
func Needles() []string {
	return []string{
		"NEEDLE-GPS-52.5200N", "NEEDLE-XMP-creator", "NEEDLE-ICC-profile", "NEEDLE-comment", "NEEDLE-text", "NEEDLE-itxt", "NEEDLE-trailer",
		"Exif", "ICC_PROFILE", "iCCP", "eXIf", "tEXt", "http://ns.adobe.com/xap",
	}
}

// EXIF is a directory with an orientation, and a place in words.
func EXIF(orientation int, order binary.AppendByteOrder) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}

	place := "NEEDLE-GPS-52.5200N\x00"
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)

	b = order.AppendUint16(b, 0x010e) // ImageDescription, text
	b = order.AppendUint16(b, 2)
	b = order.AppendUint32(b, uint32(len(place)))
	b = order.AppendUint32(b, 8+2+2*12+4)

	b = order.AppendUint16(b, 0x0112) // Orientation, short
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, uint16(orientation))
	b = order.AppendUint16(b, 0)

	b = order.AppendUint32(b, 0) // no further directory

	return append(b, place...)
}

// JPEGWithMetadata has EXIF, XMP, a colour profile, a comment, and something behind its end.
func JPEGWithMetadata(img image.Image, exif []byte) []byte {
	plain := JPEG(img)
	b := bytes.Clone(plain[:2])

	for _, s := range []struct {
		marker byte
		data   string
	}{
		{0xe1, "Exif\x00\x00" + string(exif)},
		{0xe1, "http://ns.adobe.com/xap/1.0/\x00<x>NEEDLE-XMP-creator</x>"},
		{0xe2, "ICC_PROFILE\x00\x01\x01NEEDLE-ICC-profile"},
		{0xfe, "NEEDLE-comment"},
	} {
		b = append(b, 0xff, s.marker)
		b = binary.BigEndian.AppendUint16(b, uint16(len(s.data)+2))
		b = append(b, s.data...)
	}

	return append(append(b, plain[2:]...), "NEEDLE-trailer"...)
}

// PNGWithMetadata has a text, an international one, EXIF, a colour profile, and something behind
// its end.
func PNGWithMetadata(img image.Image, exif []byte) []byte {
	plain := PNG(img)
	b := bytes.Clone(plain[:33])
	b = append(b, Chunk("iCCP", "NEEDLE-ICC-profile\x00\x00x")...)
	b = append(b, Chunk("tEXt", "Author\x00NEEDLE-text")...)
	b = append(b, Chunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00NEEDLE-itxt")...)
	b = append(b, Chunk("eXIf", string(exif))...)

	return append(append(b, plain[33:]...), "NEEDLE-trailer"...)
}

// WebPWithMetadata is the extended format with EXIF, XMP and something behind its end.
func WebPWithMetadata(img image.Image, exif []byte) []byte {
	size := img.Bounds().Size()
	header := make([]byte, 10)
	header[0] = 1<<3 | 1<<2 // EXIF, XMP
	putUint24(header[4:], size.X-1)
	putUint24(header[7:], size.Y-1)

	plain := WebP(img)
	at := bytes.Index(plain, []byte("VP8L"))
	length := binary.LittleEndian.Uint32(plain[at+4:])
	picture := string(plain[at+8 : at+8+int(length)])

	return append(RIFF("VP8X", string(header), "VP8L", picture, "EXIF", string(exif), "XMP ", "<x>NEEDLE-XMP-creator</x>"), "NEEDLE-trailer"...)
}

func putUint24(b []byte, n int) { b[0], b[1], b[2] = byte(n), byte(n>>8), byte(n>>16) }

// RIFF is a WebP file of chunks, each a name and its data.
func RIFF(chunks ...string) []byte {
	body := []byte("WEBP")

	for chunk := range slices.Chunk(chunks, 2) {
		name, data := chunk[0], chunk[1]
		body = append(body, name...)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
		body = append(body, data...)

		if len(data)%2 == 1 {
			body = append(body, 0)
		}
	}

	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// Chunk is a chunk of a PNG.
func Chunk(name, data string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(b, name...)
	b = append(b, data...)

	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}
