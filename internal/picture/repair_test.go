package picture_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/picture"
	"imagerun/internal/picture/picturetest"
)

// TestOpener_Recovers takes files that every viewer shows, though something is wrong with them: not
// with their pixels.
func TestOpener_Recovers(t *testing.T) {
	t.Parallel()

	whole := picturetest.PNG(picturetest.Gradient(64, 48))
	spoilt := picturetest.Chunk("tEXt", "Author\x00nobody")
	spoilt[len(spoilt)-1] ^= 1

	lossy := readFile(t, "webp-lossy-black-white.webp")
	short, long := bytes.Clone(lossy), bytes.Clone(lossy)
	binary.LittleEndian.PutUint32(short[4:], uint32(len(lossy)/2))
	binary.LittleEndian.PutUint32(long[4:], uint32(len(lossy)*2))

	promised := picturetest.RIFF("VP8X", "\x10\x00\x00\x00\xff\x01\x00\x3f\x00\x00", "VP8 ", string(lossy[20:]))

	for name, c := range map[string]struct {
		body, same []byte // that are the same picture
	}{
		"jpeg without its end":               {readFile(t, "jpeg-missing-eoi.jpg"), append(readFile(t, "jpeg-missing-eoi.jpg"), 0xff, 0xd9)},
		"jpeg with half its end":             {append(readFile(t, "jpeg-missing-eoi.jpg"), 0xff), append(readFile(t, "jpeg-missing-eoi.jpg"), 0xff, 0xd9)},
		"png without its end":                {readFile(t, "png-missing-iend.png"), append(readFile(t, "png-missing-iend.png"), picturetest.Chunk("IEND", "")...)},
		"png with half its end":              {whole[:len(whole)-5], whole},
		"png with a wrong end":               {append(bytes.Clone(whole[:len(whole)-1]), 0), whole},
		"png with a spoilt text":             {append(append(bytes.Clone(whole[:33]), spoilt...), whole[33:]...), whole},
		"png with a text behind, cut off":    {append(bytes.Clone(whole[:len(whole)-12]), spoilt[:15]...), whole},
		"webp that says it is shorter":       {short, lossy},
		"webp that says it is longer":        {long, lossy},
		"webp with metadata, cut off":        {append(picturetest.RIFF("VP8 ", string(lossy[20:])), "EXIF\xff\x00\x00\x00II*"...), lossy},
		"webp that promises alpha, has none": {promised, lossy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			opener := picture.NewOpener(picture.Limits{}, 0)

			got, err := opener.Sanitize(t.Context(), c.body)
			require.NoError(t, err)

			want, err := opener.Sanitize(t.Context(), c.same)
			require.NoError(t, err)
			require.Equal(t, want, got)

			_, _, err = opener.Open(t.Context(), c.body)
			require.NoError(t, err)
		})
	}
}

// TestOpener_StillDamaged has pixels missing, or changed: nothing is made up for them.
func TestOpener_StillDamaged(t *testing.T) {
	t.Parallel()

	whole := picturetest.PNG(picturetest.Gradient(64, 48))
	photo := readFile(t, "jpeg-missing-eoi.jpg")
	lossy := readFile(t, "webp-lossy-black-white.webp")

	bits := bytes.Clone(whole)
	bits[60] ^= 1

	for name, body := range map[string][]byte{
		"png whose pixels have a wrong checksum": bits,
		"png without its last pixels":            whole[:len(whole)-40],
		"png cut off in a header":                whole[:20],
		"png of a header":                        whole[:33],
		"jpeg without its last pixels":           photo[:len(photo)-40],
		"jpeg cut off before its pixels":         photo[:bytes.Index(photo, []byte("\xff\xda"))],
		"webp without its last pixels":           lossy[:len(lossy)-40],
		"webp of a header":                       lossy[:20],
		"webp without a picture":                 picturetest.RIFF("VP8X", "\x00\x00\x00\x00\xff\x01\x00\x3f\x00\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := picture.NewOpener(picture.Limits{}, 0).Sanitize(t.Context(), body)
			require.ErrorIs(t, err, picture.ErrDamaged)
		})
	}
}

// TestOpener_Unsupported has legal files for which there is no decoder: they are not damaged.
func TestOpener_Unsupported(t *testing.T) {
	t.Parallel()

	deep := picturetest.JPEGHeader(0xc1, 64, 64)
	deep[6] = 12

	for name, body := range map[string][]byte{
		"heic":                 []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"),
		"heic of a sequence":   []byte("\x00\x00\x00\x14ftyphevc\x00\x00\x00\x00hevc"),
		"avif":                 []byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf"),
		"tiff":                 []byte("MM\x00*\x00\x00\x00\x08"),
		"jpeg xl":              []byte("\xff\x0a\x00\x00"),
		"arithmetic coding":    readFile(t, "jpeg-arithmetic.jpg"),
		"three samples to one": readFile(t, "jpeg-3x1.jpg"),
		"twelve bits":          deep,
		"without loss":         picturetest.JPEGHeader(0xc3, 64, 64),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := picture.NewOpener(picture.Limits{}, 0).Sanitize(t.Context(), body)
			require.ErrorIs(t, err, picture.ErrNotPicture)
			require.ErrorIs(t, err, picture.ErrUnsupported)
			require.NotErrorIs(t, err, picture.ErrDamaged)
		})
	}
}
