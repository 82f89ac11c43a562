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

// orientationJPEG walks the segments before the first scan (ITU-T T.81, §B.1.1.4) to APP1.
func orientationJPEG(b []byte) turn {
	const app1, startOfScan = 0xe1, 0xda

	for i := 2; i+4 <= len(b) && b[i] == 0xff; {
		marker, length := b[i+1], int(binary.BigEndian.Uint16(b[i+2:]))

		switch {
		case marker == 0xff: // a fill byte
			i++

			continue
		case marker == startOfScan || length < 2 || i+2+length > len(b):
			return upright
		case marker == app1:
			if tiff, ok := bytes.CutPrefix(b[i+4:i+2+length], []byte("Exif\x00\x00")); ok {
				return orientationTIFF(tiff)
			}
		}

		i += 2 + length
	}

	return upright
}

// orientationPNG walks the chunks to eXIf (PNG 3rd edition, §11.3.4.3).
func orientationPNG(b []byte) turn {
	const around = 12 // length, name and checksum of a chunk

	for i := 8; i+around <= len(b); {
		length := int64(binary.BigEndian.Uint32(b[i:]))
		if length > int64(len(b)-i-around) {
			return upright
		}

		if string(b[i+4:i+8]) == "eXIf" {
			return orientationTIFF(b[i+8 : i+8+int(length)])
		}

		i += around + int(length)
	}

	return upright
}

// orientationWebP walks the chunks to EXIF (RFC 9649, §2.7.1.5).
func orientationWebP(b []byte) turn {
	for i := 12; i+8 <= len(b); {
		length := int64(binary.LittleEndian.Uint32(b[i+4:]))
		if length > int64(len(b)-i-8) {
			return upright
		}

		if string(b[i:i+4]) == "EXIF" {
			return orientationTIFF(bytes.TrimPrefix(b[i+8:i+8+int(length)], []byte("Exif\x00\x00")))
		}

		i += 8 + int(length+length&1)
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
