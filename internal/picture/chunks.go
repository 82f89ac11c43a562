package picture

import (
	"encoding/binary"
	"iter"
)

// jpegSegments yields marker and data of each segment before the first scan (ITU-T T.81, §B.1.1.4).
func jpegSegments(b []byte) iter.Seq2[byte, []byte] {
	const startOfScan = 0xda

	return func(yield func(byte, []byte) bool) {
		for i := 2; i+4 <= len(b) && b[i] == 0xff; {
			marker, length := b[i+1], int(binary.BigEndian.Uint16(b[i+2:]))

			switch {
			case marker == 0xff: // a fill byte
				i++

				continue
			case marker == startOfScan || length < 2 || i+2+length > len(b):
				return
			}

			if !yield(marker, b[i+4:i+2+length]) {
				return
			}

			i += 2 + length
		}
	}
}

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	pngAround    = 12 // length, name and checksum of a chunk
)

// pngChunks yields name and data of each whole chunk (PNG 3rd edition, §5.3).
func pngChunks(b []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for i := len(pngSignature); i+pngAround <= len(b); {
			length := int64(binary.BigEndian.Uint32(b[i:]))
			if length > int64(len(b)-i-pngAround) {
				return
			}

			end := i + pngAround + int(length)
			if !yield(string(b[i+4:i+8]), b[i+8:end-4]) {
				return
			}

			i = end
		}
	}
}

// webpChunks yields name and data of each whole chunk (RFC 9649, §2.3).
func webpChunks(b []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for i := 12; i+8 <= len(b); {
			length := int64(binary.LittleEndian.Uint32(b[i+4:]))
			if length > int64(len(b)-i-8) || !yield(string(b[i:i+4]), b[i+8:i+8+int(length)]) {
				return
			}

			i += 8 + int(length+length&1)
		}
	}
}
