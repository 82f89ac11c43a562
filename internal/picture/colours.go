package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
)

// maxProfile bounds a colour profile, in bytes: the largest for printing presses have three million.
// A larger one is not believed.
const maxProfile = 4 << 20

// colours is what a file says of its colours. The zero value says nothing: then they are sRGB.
type colours struct {
	icc   []byte // a profile (ICC.1:2022)
	space *space // the same in numbers
	grey  bool   // samples of red, green and blue are one of grey
}

// readColours looks for what b says of its colours.
func readColours(f Format, b []byte) colours {
	switch f {
	case PNG:
		return readColoursPNG(b)
	case JPEG:
		return colours{icc: joinProfileJPEG(b)}
	default:
		return colours{icc: findProfileWebP(b)}
	}
}

// conversionMemory is what converting takes, in bytes: the profile's tables become numbers of eight bytes.
func (c colours) conversionMemory() int64 {
	if c.icc == nil && c.space == nil {
		return 0
	}

	return 1<<20 + 10*int64(len(c.icc))
}

// joinProfileJPEG puts together the parts of the profile, which are numbered from one (ICC.1:2022, §B.4).
func joinProfileJPEG(b []byte) []byte {
	const app2 = 0xe2

	var (
		parts [256][]byte
		size  int
	)

	for marker, data := range jpegSegments(b) {
		if part, ok := bytes.CutPrefix(data, []byte("ICC_PROFILE\x00")); ok && marker == app2 && len(part) > 2 {
			parts[part[0]] = part[2:]
			size += len(part)
		}
	}

	if size == 0 || size > maxProfile {
		return nil
	}

	return slices.Concat(parts[:]...)
}

// findProfileWebP looks in ICCP (RFC 9649, §2.7.1.4).
func findProfileWebP(b []byte) []byte {
	for name, data := range webpChunks(b) {
		if name == "ICCP" && len(data) <= maxProfile {
			return data
		}
	}

	return nil
}

// readColoursPNG goes by the order in which the chunks count: cICP, iCCP, sRGB, gAMA with cHRM (PNG 3rd
// edition, §4.3). One that is damaged, or says what we do not know, does not count.
func readColoursPNG(b []byte) colours {
	const (
		typeAt    = 25
		greyAlpha = 4
	)

	found := map[string][]byte{}

	for name, data := range pngChunks(b) {
		switch name {
		case "cICP", "iCCP", "sRGB", "gAMA", "cHRM":
			if _, again := found[name]; !again && isIntact(name, data) {
				found[name] = data
			}
		case "IDAT": // they come before it
			return colours{
				icc: inflateProfile(found["iCCP"]), space: readSpace(found), grey: b[typeAt] == greyAlpha,
			}.dropOverruled(found)
		}
	}

	return colours{}
}

// dropOverruled leaves what counts.
func (c colours) dropOverruled(found map[string][]byte) colours {
	switch _, srgb := found["sRGB"]; {
	case readCICP(found["cICP"]) != nil:
		c.icc = nil
	case c.icc != nil:
		c.space = nil
	case srgb:
		c.space = nil
	}

	return c
}

// isIntact compares a chunk with the checksum that is behind its data.
func isIntact(name string, data []byte) bool {
	sum := crc32.Update(crc32.ChecksumIEEE([]byte(name)), crc32.IEEETable, data)

	return sum == binary.BigEndian.Uint32(data[len(data):len(data)+4])
}

// inflateProfile takes what iCCP holds: a name, a method of compression, and the profile.
func inflateProfile(chunk []byte) []byte {
	_, packed, ok := bytes.Cut(chunk, []byte{0})
	if !ok || len(packed) < 2 {
		return nil
	}

	r, err := zlib.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil
	}

	profile, err := io.ReadAll(io.LimitReader(r, maxProfile+1))
	if err != nil || len(profile) > maxProfile {
		return nil
	}

	return profile
}
