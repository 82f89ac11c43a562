package picture

import (
	"bytes"
	"encoding/binary"
)

// orientation returns how the picture is to be turned, by the EXIF data in b; upright where there
// is none, or none that can be read.
func orientation(f Format, b []byte) turn {
	switch f {
	case JPEG:
		return orientationJPEG(b)
	case PNG:
		return orientationPNG(b)
	default:
		return orientationWebP(b)
	}
}

// orientationJPEG looks in APP1 (CIPA DC-008, §4.7.2).
func orientationJPEG(b []byte) turn {
	const app1 = 0xe1

	for marker, data := range jpegSegments(b) {
		if tiff, ok := bytes.CutPrefix(data, []byte("Exif\x00\x00")); ok && marker == app1 {
			return orientationTIFF(tiff)
		}
	}

	return upright
}

// orientationPNG looks in eXIf (PNG 3rd edition, §11.3.4.3).
func orientationPNG(b []byte) turn {
	for name, data := range pngChunks(b) {
		if name == "eXIf" {
			return orientationTIFF(data)
		}
	}

	return upright
}

// orientationWebP looks in EXIF (RFC 9649, §2.7.1.5).
func orientationWebP(b []byte) turn {
	for name, data := range webpChunks(b) {
		if name == "EXIF" {
			return orientationTIFF(bytes.TrimPrefix(data, []byte("Exif\x00\x00")))
		}
	}

	return upright
}

// orientationTIFF looks for the tag in the first directory (TIFF 6.0, §2; CIPA DC-008, §4.6.5.1.6).
func orientationTIFF(b []byte) turn {
	const (
		tag       = 0x0112
		typeShort = 3
		entrySize = 12
	)

	if len(b) < 8 {
		return upright
	}

	var order binary.ByteOrder = binary.LittleEndian

	switch string(b[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}

	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return upright
	}

	entries := b[at+2:]
	for range order.Uint16(b[at:]) {
		if len(entries) < entrySize {
			return upright
		}

		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == typeShort {
			if t := turn(order.Uint16(entries[8:])); t >= upright && t <= backTurn {
				return t
			}

			return upright
		}

		entries = entries[entrySize:]
	}

	return upright
}
