package picturetest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"math/rand/v2"
)

// File is a file that a caller may send, and what it says that it is.
type File struct {
	Name, Type string
	Body       []byte
	// Reason is why it is refused, in the words of uploads; empty: a picture is made of it.
	Reason string
}

// Hostile are files that are meant to hurt, or to be more than a picture.
func Hostile() []File {
	whole := PNG(Gradient(64, 48))
	photo := JPEG(Gradient(64, 48))
	lossless := WebP(Gradient(64, 48))

	var still bytes.Buffer

	panicOn(gif.Encode(&still, Gradient(8, 8), nil))

	const script = "<script>alert(document.cookie)</script>"

	files := []File{
		{"gif", "image/png", still.Bytes(), "unsupported"},
		{"heic", "image/jpeg", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + script), "unsupported"},
		{"avif", "image/webp", []byte("\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf" + script), "unsupported"},
		{"film", "image/jpeg", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + script), "not_a_picture"},
		{"svg", "image/png", []byte(`<svg xmlns="http://www.w3.org/2000/svg">` + script + `</svg>`), "not_a_picture"},
		{"html", "image/jpeg", []byte("<!doctype html>" + script), "not_a_picture"},
		{"zip", "image/webp", append([]byte("PK\x03\x04"), make([]byte, 64)...), "not_a_picture"},
		{"zero bytes", "image/png", make([]byte, 1000), "not_a_picture"},
		{"html before a png", "image/png", append([]byte("<html>"), whole...), "not_a_picture"},
		{"jpeg called png", "image/png", photo, "type_mismatch"},
		{"png called jpeg", "image/jpeg", whole, "type_mismatch"},
		{"webp called jpeg", "image/jpeg", lossless, "type_mismatch"},
		{"png signature, then html", "image/png", []byte("\x89PNG\r\n\x1a\n" + script), "damaged"},
		{"jpeg marker, then html", "image/jpeg", []byte("\xff\xd8\xff" + script), "damaged"},
		{"png cut off", "image/png", whole[:len(whole)/2], "damaged"},
		{"jpeg cut off", "image/jpeg", photo[:len(photo)/2], "damaged"},
		{"jpeg of twelve bits", "image/jpeg", bytes.Replace(photo, []byte("\xff\xc0\x00\x11\x08"), []byte("\xff\xc1\x00\x11\x0c"), 1), "unsupported"},
		{"webp cut off", "image/webp", lossless[:len(lossless)/2], "damaged"},
		{"png and zip", "image/png", append(bytes.Clone(whole), "PK\x03\x04"+script...), ""},
		{"png and html", "image/png", append(bytes.Clone(whole), script...), ""},
		{"jpeg and trailing data", "image/jpeg", append(bytes.Clone(photo), bytes.Repeat([]byte(script), 100)...), ""},
		{"jpeg and javascript", "image/jpeg", JPEGWithMetadata(Gradient(64, 48), []byte("=alert(1)/*")), ""},
		{"animated webp", "image/webp", animatedWebP(lossless), "animated"},
	}

	return append(files, Bombs()...)
}

func animatedWebP(still []byte) []byte {
	header := make([]byte, 10)
	header[0] = 1 << 1
	putUint24(header[4:], 63)
	putUint24(header[7:], 47)

	return RIFF("VP8X", string(header), "ANIM", "\x00\x00\x00\x00\x00\x00", "ANMF", string(make([]byte, 16))+string(still[12:]))
}

// Bombs are small files that claim, or make, much.
func Bombs() []File {
	pixels := func(n int) string {
		var b bytes.Buffer

		w := zlib.NewWriter(&b)
		zeros := make([]byte, 1<<20)

		for ; n > 0; n -= len(zeros) {
			_, err := w.Write(zeros[:min(n, len(zeros))])
			panicOn(err)
		}

		panicOn(w.Close())

		return b.String()
	}

	alpha := image.NewNRGBA(image.Rect(0, 0, 3000, 2000))
	for i := range alpha.Pix {
		alpha.Pix[i] = byte(i >> 9)
	}

	grey := image.NewGray16(image.Rect(0, 0, 4000, 2000))
	grey.SetGray16(1, 1, color.Gray16{Y: 0x8000})

	return []File{
		{"png of 60,000 by 60,000", "image/png", PNGHeader(60_000, 60_000, 8, 0), "too_large"},
		{"png as wide as can be", "image/png", PNGHeader(1<<31-1, 1, 8, 0), "too_large"},
		{"png of 8,192 by 3,000, interlaced, 16 bits", "image/png", PNGHeader(8192, 3000, 16, 1), "too_large"},
		{"png of all that is allowed, without data", "image/png", PNGHeader(5000, 5000, 8, 0), "damaged"},
		{"png that inflates beyond its pixels", "image/png", pngOf(64, 64, pixels(100<<20)), "damaged"},
		{"png that inflates to 25 million pixels", "image/png", pngOf(5000, 5000, pixels(5000*(4*5000+1))), ""},
		{"png of 16 bits", "image/png", PNG(grey), ""},
		{"png with a text that inflates", "image/png", withChunk(PNG(Gradient(8, 8)), Chunk("zTXt", "a\x00\x00"+pixels(100<<20))), ""},
		{"jpeg of 65,535 by 65,535", "image/jpeg", JPEGHeader(0xc0, 65535, 65535), "too_large"},
		{"jpeg, progressive, of 8,000 by 3,000", "image/jpeg", JPEGHeader(0xc2, 8000, 3000), "too_large"},
		{"jpeg of a thousand scans", "image/jpeg", append(JPEGHeader(0xc2, 800, 800), bytes.Repeat([]byte("\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"), 1000)...), "damaged"},
		{"webp of 16,384 by 16,384", "image/webp", webpHeader(16384, 16384), "too_large"},
		{"webp with alpha of 4,000 by 6,000", "image/webp", webpHeader(4000, 6000), "too_large"},
		{"webp of 6 million pixels", "image/webp", WebP(alpha), ""},
	}
}

// PNGHeader claims a size and holds no pixels.
func PNGHeader(width, height uint32, depth, interlace byte) []byte {
	data := binary.BigEndian.AppendUint32(nil, width)
	data = binary.BigEndian.AppendUint32(data, height)
	data = append(data, depth, 6, 0, 0, interlace)

	return append([]byte("\x89PNG\r\n\x1a\n"), Chunk("IHDR", string(data))...)
}

func pngOf(width, height uint32, data string) []byte {
	b := append(PNGHeader(width, height, 8, 0), Chunk("IDAT", data)...)

	return append(b, Chunk("IEND", "")...)
}

// withChunk puts a chunk behind the header of a PNG.
func withChunk(b, chunk []byte) []byte {
	return append(append(bytes.Clone(b[:33]), chunk...), b[33:]...)
}

// JPEGHeader claims a size with three components of full resolution, and holds no pixels.
func JPEGHeader(frame byte, width, height uint16) []byte {
	b := []byte{0xff, 0xd8, 0xff, frame, 0, 17, 8}
	b = binary.BigEndian.AppendUint16(b, height)
	b = binary.BigEndian.AppendUint16(b, width)

	return append(b, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0)
}

func webpHeader(width, height int) []byte {
	header := make([]byte, 10)
	header[0] = 1 << 4
	putUint24(header[4:], width-1)
	putUint24(header[7:], height-1)

	return RIFF("VP8X", string(header), "ALPH", "\x01")
}

// Mutant returns a file that began as a fine one, and its type: bits flipped, cut, repeated,
// numbers made large, two spliced together, or what it really was.
func Mutant(r *rand.Rand, seeds []File) File {
	f := seeds[r.IntN(len(seeds))]
	b := bytes.Clone(f.Body)

	for range r.IntN(4) {
		at := r.IntN(len(b))

		switch r.IntN(7) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b = b[:at+1]
		case 2:
			end := min(at+r.IntN(200), len(b))
			b = append(b[:end:end], b[at:]...)
		case 3:
			for i := at; i < min(at+4, len(b)); i++ {
				b[i] = 0xff
			}
		case 4:
			b[min(len(b)-1, r.IntN(64))] = byte(r.IntN(256)) // where headers are
		case 5:
			other := seeds[r.IntN(len(seeds))].Body
			b = append(b[:at:at], other[r.IntN(len(other)):]...)
		case 6:
			clear(b[at:min(at+r.IntN(50), len(b))])
		}

		if len(b) > 1<<20 {
			b = b[:1<<20]
		}
	}

	return File{Name: f.Name, Type: f.Type, Body: b}
}

// Seeds are fine files, for mutants.
func Seeds() []File {
	exif := EXIF(6, binary.BigEndian)
	grey := image.NewGray16(image.Rect(0, 0, 20, 30))
	palette := image.NewPaletted(image.Rect(0, 0, 33, 21), color.Palette{color.Black, color.White, color.NRGBA{R: 9, A: 100}})
	half := Gradient(40, 30)

	for i := 3; i < len(half.Pix); i += 8 {
		half.Pix[i] = 77
	}

	return []File{
		{Name: "png", Type: "image/png", Body: PNG(Gradient(64, 48))},
		{Name: "png with metadata", Type: "image/png", Body: PNGWithMetadata(half, exif)},
		{Name: "grey png", Type: "image/png", Body: PNG(grey)},
		{Name: "png with a palette", Type: "image/png", Body: PNG(palette)},
		{Name: "jpeg", Type: "image/jpeg", Body: JPEG(Gradient(65, 47))},
		{Name: "jpeg with metadata", Type: "image/jpeg", Body: JPEGWithMetadata(Gradient(64, 48), exif)},
		{Name: "grey jpeg", Type: "image/jpeg", Body: JPEG(image.NewGray(image.Rect(0, 0, 31, 17)))},
		{Name: "webp", Type: "image/webp", Body: WebP(Gradient(64, 48))},
		{Name: "webp with metadata", Type: "image/webp", Body: WebPWithMetadata(half, exif)},
	}
}
