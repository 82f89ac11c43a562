package picture

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/image/webp"
)

// embeddedWebP walks the chunks to XMP and C2PA (C2PA, annex A.3). A new one goes behind the pixels and EXIF.
func embeddedWebP(b []byte) (e embedded) {
	chunksWebP(b, func(from, to int, name string, content []byte) {
		switch name {
		case "VP8X", "VP8 ", "VP8L", "EXIF":
			if e.xmp == nil {
				e.from, e.to = to, to
			}
		case "XMP ":
			if e.xmp == nil {
				e.xmp, e.from, e.to = content, from, to
			}
		case "C2PA":
			e.manifest = content
		}
	})

	return e
}

// chunksWebP calls f with the place, name and content of each chunk that is whole (RFC 9649, §2.3).
func chunksWebP(b []byte, f func(from, to int, name string, content []byte)) {
	const head = 8

	if len(b) < 12 {
		return
	}

	b = b[:min(int64(len(b)), head+int64(binary.LittleEndian.Uint32(b[4:])))]

	for i := 12; i+head <= len(b); {
		length := int64(binary.LittleEndian.Uint32(b[i+4:]))
		if length > int64(len(b)-i-head) {
			return
		}

		to := min(len(b), i+head+int(length+length&1))
		f(i, to, string(b[i:i+4]), b[i+head:i+head+int(length)])
		i = to
	}
}

// rewriteWebP returns a WebP with a packet of XMP in place of the chunk that is between two indexes, or there if
// they are one. Metadata needs the extended form of the file, whose first chunk says that there is some.
func rewriteWebP(b []byte, from, to int, packet []byte) []byte {
	const flags, flagXMP = 20, 1 << 2 // RFC 9649, §2.7.1

	out, rest := make([]byte, 0, len(b)+len(packet)+64), 12
	out = append(out, b[:12]...)

	chunksWebP(b, func(chunkFrom, chunkTo int, name string, content []byte) {
		rest = chunkTo

		if chunkFrom == 12 && name != "VP8X" {
			out = append(out, chunkWebP("VP8X", extensionWebP(b, name, content))...)
		}

		if chunkFrom == from && to > from {
			content = packet
		}

		out = append(out, chunkWebP(name, content)...)

		if chunkTo == from && to == from {
			out = append(out, chunkWebP("XMP ", packet)...)
		}
	})

	if len(out) > flags {
		out[flags] |= flagXMP
	}

	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))

	return append(out, b[rest:]...) // what is behind the end stays there
}

// extensionWebP is the content of the first chunk of an extended file, for one that is simple: flags and size (RFC 9649, §2.7).
func extensionWebP(b []byte, name string, pixels []byte) []byte {
	const flagAlpha = 1 << 4

	out := make([]byte, 10)

	// The header of VP8L says whether there is alpha; a simple VP8 has none (WebP Lossless, §3).
	if name == "VP8L" && len(pixels) > 4 && pixels[4]&(1<<4) != 0 {
		out[0] |= flagAlpha
	}

	size, err := webp.DecodeConfig(bytes.NewReader(b))
	if err != nil { // not of a picture that was opened
		return out
	}

	width, height := uint32(size.Width-1), uint32(size.Height-1)
	copy(out[4:], []byte{byte(width), byte(width >> 8), byte(width >> 16), byte(height), byte(height >> 8), byte(height >> 16)})

	return out
}

func chunkWebP(name string, content []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(content)))

	return append(append(out, content...), make([]byte, len(content)&1)...)
}
