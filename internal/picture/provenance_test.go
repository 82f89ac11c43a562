package picture_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/picture"
	"imagerun/internal/picture/picturetest"
)

const vocabulary = "http://cv.iptc.org/newscodes/digitalsourcetype/"

func TestMark(t *testing.T) {
	t.Parallel()

	opener := picture.NewOpener(picture.Limits{}, 0)
	transparent := gradient(33, 21)
	transparent.Pix[3] = 7

	for name, body := range map[string][]byte{
		"png": encode(t, picture.PNG, gradient(64, 40)), "jpeg": encode(t, picture.JPEG, gradient(64, 40)),
		"webp": encode(t, picture.WebP, gradient(64, 40)), "transparent webp": encode(t, picture.WebP, transparent),
		"lossy webp": lossyWebP(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			info, thumbnail, err := opener.Open(t.Context(), body)
			require.NoError(t, err)

			files := [][]byte{body}
			types := []picture.SourceType{picture.TrainedAlgorithmicMedia, picture.CompositeWithTrainedAlgorithmicMedia}

			for _, want := range types {
				marked, got := picture.Mark(info.Format, body, want)
				require.Equal(t, want, got)
				require.Equal(t, want, picture.MarkOf(info.Format, marked))

				// The pixels are what they were.
				infoOf, thumbnailOf, err := opener.Open(t.Context(), marked)
				require.NoError(t, err)
				require.Equal(t, info, infoOf)
				require.Equal(t, thumbnail, thumbnailOf)

				// What bears a mark keeps it, to the byte.
				again, got := picture.Mark(info.Format, marked, picture.TrainedAlgorithmicMedia)
				require.Equal(t, want, got)
				require.Equal(t, marked, again)

				small, _ := picture.Mark(picture.JPEG, thumbnail, want)
				files = append(files, marked, small)
			}

			found := picturetest.ExifTool(t, files...)
			require.NotContains(t, found[0], picturetest.SourceTag)

			for i, tags := range found[1:] {
				require.Equal(t, vocabulary+string(types[i/2]), tags[picturetest.SourceTag])
				require.NotContains(t, tags, "ExifTool:Warning")
				require.NotContains(t, tags, "ExifTool:Error")
			}

			// Two pictures of a type bear the same mark: it names no person.
			other, _ := picture.Mark(info.Format, encode(t, info.Format, image.NewGray(image.Rect(0, 0, 9, 9))), picture.TrainedAlgorithmicMedia)
			require.Equal(t, xmpOf(t, files[1]), xmpOf(t, other))
		})
	}
}

// What a provider put there stays: the properties of its XMP, its C2PA manifest, whatever else the file has.
func TestMark_KeepsWhatIsThere(t *testing.T) {
	t.Parallel()

	const (
		creator  = `<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"><xmp:CreatorTool>a maker</xmp:CreatorTool></rdf:Description>`
		source   = `<rdf:Description rdf:about="" xmlns:I="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"`
		manifest = "jumb, signed by its maker"
	)

	packets := []string{
		packetWith(creator), // no source; then another one, as an attribute, an element and a reference
		packetWith(creator + source + ` I:DigitalSourceType="` + vocabulary + `digitalCapture"/>`),
		packetWith(creator + source + `><I:DigitalSourceType>` + vocabulary + `digitalCapture</I:DigitalSourceType></rdf:Description>`),
		packetWith(creator + source + `><I:DigitalSourceType rdf:resource="` + vocabulary + `digitalCapture"/></rdf:Description>`),
		"<rdf:RDF <", // nonsense
	}

	for _, format := range formats() {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()

			original := encode(t, format, gradient(64, 40))

			var files [][]byte

			for _, packet := range packets {
				marked, got := picture.Mark(format, embed(t, format, original, packet, []byte(manifest)), picture.TrainedAlgorithmicMedia)
				require.Equal(t, picture.TrainedAlgorithmicMedia, got)
				require.Contains(t, string(marked), manifest[:len(manifest)/2]) // which a JPEG has in two segments
				require.Contains(t, string(marked), manifest[len(manifest)/2:])

				files = append(files, marked)
			}

			for i, tags := range picturetest.ExifTool(t, files...) {
				require.Equal(t, vocabulary+"trainedAlgorithmicMedia", tags[picturetest.SourceTag], "%d", i)

				if packets[i] != "<rdf:RDF <" {
					require.Equal(t, "a maker", tags["XMP-xmp:CreatorTool"], "%d", i)
				} else {
					require.Contains(t, string(files[i]), packets[i])
				}
			}

			signed := embed(t, format, original, packets[0], []byte("x"+vocabulary+"trainedAlgorithmicMedia"))
			marked, got := picture.Mark(format, signed, picture.CompositeWithTrainedAlgorithmicMedia)
			require.Equal(t, picture.TrainedAlgorithmicMedia, got)
			require.Equal(t, signed, marked, "a byte more breaks its signature")
		})
	}
}

func FuzzMark(f *testing.F) {
	for _, format := range formats() {
		f.Add(encode(f, format, gradient(16, 16)))
		f.Add(embed(f, format, encode(f, format, gradient(16, 16)), packetWith(""), []byte("manifest")))
	}

	opener := picture.NewOpener(picture.Limits{MaxPixels: 1 << 16}, 0)

	f.Fuzz(func(t *testing.T, b []byte) {
		info, _, err := opener.Open(t.Context(), b)
		if err != nil {
			return
		}

		marked, got := picture.Mark(info.Format, b, picture.TrainedAlgorithmicMedia)
		require.Equal(t, got, picture.MarkOf(info.Format, marked))

		infoOf, _, err := opener.Open(t.Context(), marked)
		require.NoError(t, err)
		require.Equal(t, info, infoOf)
	})
}

// The reference implementation (npm's thumbhash 0.1.1) makes the same of the same pixels.
func TestThumbHash(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		width, height int
		want          string
	}{
		{96, 64, "1wkKLZJzJsVzdnhweMeHhR2FYLX4"},
		{40, 90, "FwoKIxJAcleHgYtYMIwBpLc="},
		{1, 1, "AAgCBwAAAAAAAAAAAAAAAAAAAAAAAAAA"},
	} {
		_, thumbnail, err := picture.NewOpener(picture.Limits{}, 0).Open(t.Context(), encode(t, picture.PNG, gradient(test.width, test.height)))
		require.NoError(t, err)

		got, err := picture.ThumbHash(thumbnail)
		require.NoError(t, err)
		require.Equal(t, test.want, base64.StdEncoding.EncodeToString(got))
	}
}

// lossyWebP is a pixel in the simple form of the format, which our encoder does not write.
func lossyWebP(t testing.TB) []byte {
	t.Helper()

	b, err := base64.StdEncoding.DecodeString("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
	require.NoError(t, err)

	return b
}

func packetWith(descriptions string) string {
	return `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		descriptions + `</rdf:RDF></x:xmpmeta>` + strings.Repeat(" ", 99) + `<?xpacket end="w"?>`
}

// xmpOf returns the packet of a file, by its markers.
func xmpOf(t testing.TB, b []byte) string {
	t.Helper()

	from, to := bytes.Index(b, []byte("<?xpacket begin")), bytes.Index(b, []byte("<?xpacket end"))
	require.True(t, 0 < from && from < to)

	return string(b[from:to])
}

// embed puts a packet and a manifest into a file as other programs do; no manifest: none.
func embed(t testing.TB, format picture.Format, b []byte, packet string, manifest []byte) []byte {
	t.Helper()

	switch format {
	case picture.PNG:
		blocks := pngChunk("iTXt", []byte("XML:com.adobe.xmp\x00\x00\x00\x00\x00"+packet))
		if manifest != nil {
			blocks = append(blocks, pngChunk("caBX", manifest)...)
		}

		return slices.Concat(b[:33], blocks, b[33:])
	case picture.JPEG:
		blocks := jpegSegment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00"+packet))

		for i, half := range [][]byte{manifest[:len(manifest)/2], manifest[len(manifest)/2:]} {
			if manifest != nil {
				blocks = append(blocks, jpegSegment(0xeb, slices.Concat([]byte{'J', 'P', 0, 1, 0, 0, 0, byte(i + 1)}, []byte("\x00\x00\x00\x99jumb"), half))...)
			}
		}

		return slices.Concat(b[:2], blocks, b[2:])
	default:
		extended, _ := picture.Mark(format, b, "nothing")
		before, _, _ := bytes.Cut(extended, []byte("XMP "))
		out := slices.Concat(before, webpChunk("XMP ", []byte(packet)))

		if manifest != nil {
			out = append(out, webpChunk("C2PA", manifest)...)
		}

		binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))

		return out
	}
}

func pngChunk(name string, content []byte) []byte {
	body := append([]byte(name), content...)

	return binary.BigEndian.AppendUint32(append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), body...), crc32.ChecksumIEEE(body))
}

func jpegSegment(marker byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(content)+2)), content...)
}

func webpChunk(name string, content []byte) []byte {
	out := append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(content))), content...)

	return append(out, make([]byte, len(content)&1)...)
}
