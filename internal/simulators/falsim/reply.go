package falsim

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// floodBytes is far more than any answer of fal's.
const floodBytes = 64 << 20

// status remembers the answer's code for the record.
type status struct {
	http.ResponseWriter

	code int
}

func (w *status) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

func (w *status) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}

	return w.ResponseWriter.Write(b)
}

func (w *status) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// buffer keeps a reply back.
type buffer struct {
	header http.Header
	code   int
	body   []byte
}

func (b *buffer) Header() http.Header  { return b.header }
func (b *buffer) WriteHeader(code int) { b.code = code }

func (b *buffer) Write(p []byte) (int, error) {
	b.body = append(b.body, p...)

	return len(p), nil
}

func (b *buffer) send(w http.ResponseWriter, part []byte) {
	maps.Copy(w.Header(), b.header)

	w.WriteHeader(b.code)
	_, _ = w.Write(part)
	_ = http.NewResponseController(w).Flush()
}

// rewrite puts the rule's own words in place of the reply's.
func (b *buffer) rewrite(rule *rule) {
	if rule.edit != nil {
		b.body = edited(b.body, func(reply map[string]any) { b.code = rule.edit(b.code, reply) })
	}

	if rule.Body != "" {
		b.body = []byte(rule.Body)
	}

	if rule.Status != 0 {
		b.code = rule.Status
	}

	for k, v := range rule.Headers {
		b.header.Set(k, v)
	}

	b.header.Set("Content-Length", strconv.Itoa(len(b.body)))
}

// flood sends spaces, which every reader of JSON skips.
func flood(w io.Writer) {
	chunk := bytes.Repeat([]byte{' '}, 1<<16)

	for range floodBytes / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// packFlood is the flood as gzip.
func packFlood() []byte {
	var buf bytes.Buffer

	z := gzip.NewWriter(&buf)
	flood(z)
	_ = z.Close() // a buffer takes everything

	return buf.Bytes()
}

// reset ends the connection so that the caller sees a reset rather than an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no connection of its own
	}

	defer conn.Close()

	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// spill writes more than it announces, which net/http would not do.
func spill(w http.ResponseWriter, reply *buffer, announced int) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}

	defer conn.Close()

	var head strings.Builder

	reply.header.Set("Content-Length", strconv.Itoa(announced))
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", reply.code, http.StatusText(reply.code))
	_ = reply.header.Write(&head) // a builder takes everything
	_, _ = io.WriteString(conn, head.String()+"\r\n")
	_, _ = conn.Write(reply.body)
}
