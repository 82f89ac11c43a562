package picture

import (
	"bytes"
	"encoding/binary"
)

// readOrientation returns how the picture is to be turned, by the EXIF data in b; normal where there
// is none, or none that can be read.
func readOrientation(f Format, b []byte) orientation {
	switch f {
	case JPEG:
		return readOrientationJPEG(b)
	case PNG:
		return readOrientationPNG(b)
	default:
		return readOrientationWebP(b)
	}
}

// readOrientationJPEG looks in APP1 (CIPA DC-008, §4.7.2).
func readOrientationJPEG(b []byte) orientation {
	const app1 = 0xe1

	for marker, data := range jpegSegments(b) {
		if tiff, ok := bytes.CutPrefix(data, []byte("Exif\x00\x00")); ok && marker == app1 {
			return readOrientationTIFF(tiff)
		}
	}

	return normal
}

// readOrientationPNG looks in eXIf (PNG 3rd edition, §11.3.4.3).
func readOrientationPNG(b []byte) orientation {
	for name, data := range pngChunks(b) {
		if name == "eXIf" {
			return readOrientationTIFF(data)
		}
	}

	return normal
}

// readOrientationWebP looks in EXIF (RFC 9649, §2.7.1.5).
func readOrientationWebP(b []byte) orientation {
	for name, data := range webpChunks(b) {
		if name == "EXIF" {
			return readOrientationTIFF(bytes.TrimPrefix(data, []byte("Exif\x00\x00")))
		}
	}

	return normal
}

// readOrientationTIFF looks for the tag in the first directory (TIFF 6.0, §2; CIPA DC-008, §4.6.5.1.6).
func readOrientationTIFF(b []byte) orientation {
	const (
		tag       = 0x0112
		typeShort = 3
		entrySize = 12
	)

	if len(b) < 8 {
		return normal
	}

	var order binary.ByteOrder = binary.LittleEndian

	switch string(b[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return normal
	}

	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return normal
	}

	entries := b[at+2:]
	for range order.Uint16(b[at:]) {
		if len(entries) < entrySize {
			return normal
		}

		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == typeShort {
			if t := orientation(order.Uint16(entries[8:])); t >= normal && t <= rotate270 {
				return t
			}

			return normal
		}

		entries = entries[entrySize:]
	}

	return normal
}
