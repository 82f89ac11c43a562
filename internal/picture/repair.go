package picture

import (
	"bytes"
	"encoding/binary"
	"io"
)

// repairFile returns b as its decoder reads it: with the end that a copy may lack, and without what is
// no part of the pixels and may be damaged. What is missing of the pixels is not made up for.
func repairFile(f Format, b []byte) io.Reader {
	switch f {
	case PNG:
		return &pngReader{rest: b}
	case JPEG:
		// One that has its end is not read beyond it.
		return io.MultiReader(bytes.NewReader(b), bytes.NewReader([]byte("\xff\xd9")))
	default:
		return repairWebP(b)
	}
}

// pngReader reads a PNG without the chunks that no pixel depends on: a wrong checksum there is no
// reason to refuse it. The last chunk has no content, so it may be missing.
type pngReader struct {
	rest    []byte // of the file
	current []byte // of it, to be read now
	begun   bool
	ended   bool
}

const pngEnd = "\x00\x00\x00\x00IEND\xae\x42\x60\x82"

// Read implements [io.Reader].
func (r *pngReader) Read(p []byte) (int, error) {
	for len(r.current) == 0 {
		if r.ended {
			return 0, io.EOF
		}

		r.next()
	}

	n := copy(p, r.current)
	r.current = r.current[n:]

	return n, nil
}

// next takes one chunk, or leaves it out.
func (r *pngReader) next() {
	if !r.begun {
		n := min(len(pngSignature), len(r.rest))
		r.current, r.rest, r.begun = r.rest[:n], r.rest[n:], true

		return
	}

	if len(r.rest) < pngAround {
		r.current, r.ended = []byte(pngEnd), true

		return
	}

	name := string(r.rest[4:8])
	length := int64(binary.BigEndian.Uint32(r.rest)) + pngAround
	whole := length <= int64(len(r.rest))
	chunk := r.rest[:min(length, int64(len(r.rest)))]
	r.rest = r.rest[len(chunk):]

	switch name {
	case "IEND":
		r.current, r.ended = []byte(pngEnd), true
	case "IHDR", "PLTE", "IDAT", "tRNS":
		r.current, r.ended = chunk, !whole
	}
}

// repairWebP leaves the chunks of which the picture is, in a file as long as they are (RFC 9649,
// §2.7): colours, metadata and a wrong length of the file are none of the decoder's business.
func repairWebP(b []byte) io.Reader {
	var extended, alpha []byte

	for rest := b[12:]; len(rest) >= 8; {
		name, length := string(rest[:4]), int64(binary.LittleEndian.Uint32(rest[4:]))
		whole := 8 + length + length&1
		chunk := rest[:min(whole, int64(len(rest)))]
		rest = rest[len(chunk):]

		switch name {
		case "VP8X":
			extended = chunk
		case "ALPH":
			alpha = chunk
		case "VP8 ", "VP8L":
			// Where alpha is promised and missing the picture is opaque, and where it is there
			// without a promise as well.
			if name == "VP8L" || len(extended) < 18 || extended[8]&webpAlpha == 0 || alpha == nil {
				extended, alpha = nil, nil
			}

			return joinRIFF(whole, extended, alpha, chunk)
		}
	}

	return bytes.NewReader(b) // for the decoder to refuse
}

// joinRIFF puts chunks together; the last one is that long, though there may be less of it.
func joinRIFF(last int64, chunks ...[]byte) io.Reader {
	size := 4 + last
	for _, c := range chunks[:len(chunks)-1] {
		size += int64(len(c))
	}

	header := append([]byte("RIFF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(header[4:], uint32(min(size, 1<<32-2))) //nolint:gosec // bounded
	readers := []io.Reader{bytes.NewReader(append(header, "WEBP"...))}

	for _, c := range chunks {
		readers = append(readers, bytes.NewReader(c))
	}

	if missing := last - int64(len(chunks[len(chunks)-1])); missing == 1 {
		readers = append(readers, bytes.NewReader([]byte{0})) // what makes its length even
	}

	return io.MultiReader(readers...)
}
