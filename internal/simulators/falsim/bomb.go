package falsim

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image/gif"
	"io"
)

const (
	page = "<html><script>alert(1)</script></html>"
	svg  = `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><script>alert(1)</script></svg>`
)

// bigPNG is a valid picture of one bit a pixel: 50 kB that decode to 400 MB.
func bigPNG(width, height int) []byte {
	var data bytes.Buffer

	z := zlib.NewWriter(&data)
	row := make([]byte, 1+(width+7)/8)

	for range height {
		_, _ = z.Write(row) // a buffer takes everything
	}

	_ = z.Close()

	return greyPNG(width, height, data.Bytes())
}

// hollowPNG has a header and next to no data.
func hollowPNG(width, height int) []byte {
	var data bytes.Buffer

	z := zlib.NewWriter(&data)
	_ = z.Close()

	return greyPNG(width, height, data.Bytes())
}

// greyPNG puts a greyscale picture of one bit a pixel together (RFC 2083).
func greyPNG(width, height int, data []byte) []byte {
	head := make([]byte, 13)
	binary.BigEndian.PutUint32(head, uint32(width))
	binary.BigEndian.PutUint32(head[4:], uint32(height))
	head[8] = 1 // bit depth; greyscale and the rest are 0

	var out bytes.Buffer

	out.WriteString("\x89PNG\r\n\x1a\n")
	writeChunk(&out, "IHDR", head)
	writeChunk(&out, "IDAT", data)
	writeChunk(&out, "IEND", nil)

	return out.Bytes()
}

func writeChunk(w io.Writer, name string, data []byte) {
	sum := crc32.NewIEEE()
	out := io.MultiWriter(w, sum)

	_ = binary.Write(w, binary.BigEndian, uint32(len(data)))
	_, _ = out.Write(append([]byte(name), data...))
	_ = binary.Write(w, binary.BigEndian, sum.Sum32())
}

func gifOf(p picture) []byte {
	var buf bytes.Buffer
	if err := gif.Encode(&buf, p.paintImage(), nil); err != nil {
		return nil
	}

	return buf.Bytes()
}

// corruptMiddle spoils a tenth of the file in its middle.
func corruptMiddle(data []byte) []byte {
	for i := len(data) / 2; i < len(data)/2+len(data)/10; i++ {
		data[i] ^= 0x5a
	}

	return data
}

func encodeOrKeep(whole []byte, p picture, format string) []byte {
	data, err := p.encodeAs(format)
	if err != nil {
		return whole
	}

	return data
}

func otherFormat(format string) string {
	if format == "png" {
		return "jpeg"
	}

	return "png"
}
