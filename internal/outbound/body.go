package outbound

import (
	"bytes"
	"io"
	"net/http"
)

// defaultMaxReply bounds an answer of an API: most are a kilobyte or two.
const defaultMaxReply = 8 << 20

// readBody reads at most so many bytes, and refuses what announces more or turns out to have more.
func readBody(res *http.Response, limit int64, alive func()) ([]byte, error) {
	if limit == 0 {
		limit = defaultMaxReply
	}

	if res.ContentLength > limit {
		return nil, ErrTooLong
	}

	var buf bytes.Buffer
	if res.ContentLength > 0 {
		buf.Grow(int(res.ContentLength))
	}

	_, err := io.Copy(&buf, aliveReader{io.LimitReader(res.Body, limit+1), alive})
	if err == nil && int64(buf.Len()) > limit {
		err = ErrTooLong
	}

	return buf.Bytes(), err
}

// aliveReader tells of everything that arrives.
type aliveReader struct {
	io.Reader

	alive func()
}

func (r aliveReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.alive()
	}

	return n, err
}
