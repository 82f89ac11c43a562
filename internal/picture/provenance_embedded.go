package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
)

const (
	keywordPNG = "XML:com.adobe.xmp\x00"            // PNG 3rd edition, §11.3.3.4; XMP part 3
	headerJPEG = "http://ns.adobe.com/xap/1.0/\x00" // XMP part 3
	maxXMPJPEG = 1<<16 - 1 - 2 - len(headerJPEG)    // what one segment holds
	afterIHDR  = 8 + 12 + 13                        // IHDR is the first chunk of a PNG
)

// embeddedPNG walks the chunks to iTXt and caBX (C2PA, annex A.3).
func embeddedPNG(b []byte) embedded {
	const around = 12 // length, name and checksum of a chunk

	e := embedded{from: min(afterIHDR, len(b)), to: min(afterIHDR, len(b))}

	for i := 8; i+around <= len(b); {
		length := int64(binary.BigEndian.Uint32(b[i:]))
		if length > int64(len(b)-i-around) {
			break
		}

		content, to := b[i+8:i+8+int(length)], i+around+int(length)

		switch string(b[i+4 : i+8]) {
		case "iTXt":
			if text, ok := bytes.CutPrefix(content, []byte(keywordPNG)); ok && e.xmp == nil {
				e.xmp, e.from, e.to = textPNG(text), i, to
			}
		case "caBX":
			e.manifest = content
		}

		i = to
	}

	return e
}

// textPNG reads what follows the keyword of an iTXt chunk: whether it is compressed, two names that end with a
// zero, and the text.
func textPNG(b []byte) []byte {
	if len(b) < 2 {
		return nil
	}

	parts := bytes.SplitN(b[2:], []byte{0}, 3)

	switch {
	case len(parts) < 3:
		return nil
	case b[0] == 0:
		return parts[2]
	}

	r, err := zlib.NewReader(bytes.NewReader(parts[2]))
	if err != nil {
		return nil
	}

	text, err := io.ReadAll(io.LimitReader(r, maxXMP+1)) // beyond that it is not read
	if err != nil {
		return nil
	}

	return text
}

func chunkPNG(packet []byte) []byte {
	content := slices.Concat([]byte("iTXt"+keywordPNG), make([]byte, 4), packet)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(content)-4))
	out = append(out, content...)

	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(content))
}

// embeddedJPEG walks the segments before the first scan to APP1 and APP11 (C2PA, annex A.3). A new
// one goes behind those that must be first: JFIF's and EXIF's.
func embeddedJPEG(b []byte) embedded {
	const app0, app1, app11, startOfScan = 0xe0, 0xe1, 0xeb, 0xda

	e := embedded{from: min(2, len(b)), to: min(2, len(b))}
	leading := true

	for i := 2; i+4 <= len(b) && b[i] == 0xff; {
		marker, length := b[i+1], int(binary.BigEndian.Uint16(b[i+2:]))
		if marker == 0xff { // a fill byte
			i++

			continue
		}

		if marker == startOfScan || length < 2 || i+2+length > len(b) {
			break
		}

		content, to := b[i+4:i+2+length], i+2+length
		leading = leading && (marker == app0 || marker == app1 && bytes.HasPrefix(content, []byte("Exif\x00")))

		switch {
		case leading:
			e.from, e.to = to, to
		case marker == app1 && e.xmp == nil:
			if packet, ok := bytes.CutPrefix(content, []byte(headerJPEG)); ok {
				e.xmp, e.from, e.to = packet, i, to
			}
		case marker == app11:
			e.manifest = append(e.manifest, boxJPEG(content)...)
		}

		i = to
	}

	return e
}

// boxJPEG returns the part of a box that a segment holds: each begins with the header of the box again (ISO
// 19566-5, annex D), which would come between two halves of a word.
func boxJPEG(content []byte) []byte {
	const numbers, header = 8, 8

	if len(content) < numbers+header || string(content[:2]) != "JP" {
		return nil
	}

	if binary.BigEndian.Uint32(content[4:]) > 1 {
		return content[numbers+header:]
	}

	return content[numbers:]
}

func segmentJPEG(packet []byte) []byte {
	out := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(headerJPEG)+len(packet)))

	return slices.Concat(out, []byte(headerJPEG), packet)
}
