package picture

import (
	"bytes"
	"slices"
	"strings"
)

// findForeign names a kind of picture that others read and we do not; empty: it is none. HEIC and AVIF are
// among them for now: docs/adr/0004 says why.
func findForeign(b []byte) string {
	const typeBox = 12 // length, "ftyp", main brand

	for kind, starts := range map[string][]string{
		"gif":       {"GIF87a", "GIF89a"},
		"tiff":      {"II*\x00", "MM\x00*", "II+\x00", "MM\x00+"},
		"jpeg xl":   {"\xff\x0a", "\x00\x00\x00\x0cJXL "},
		"jpeg 2000": {"\x00\x00\x00\x0cjP  ", "\xff\x4f\xff\x51"},
		"psd":       {"8BPS"},
	} {
		if slices.ContainsFunc(starts, func(s string) bool { return bytes.HasPrefix(b, []byte(s)) }) {
			return kind
		}
	}

	if len(b) < typeBox || string(b[4:8]) != "ftyp" {
		return ""
	}

	// The box lists the brands that a reader must know one of (ISO/IEC 14496-12, §4.3).
	brands := string(b[8:min(len(b), 64)])

	switch {
	case strings.Contains(brands, "avif"), strings.Contains(brands, "avis"):
		return "avif"
	case strings.Contains(brands, "hei"), strings.Contains(brands, "hev"), strings.Contains(brands, "mif1"):
		return "heic"
	default:
		return ""
	}
}
