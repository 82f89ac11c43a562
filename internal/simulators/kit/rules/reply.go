package rules

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// FloodBytes is far more than any vendor answers.
const FloodBytes = 64 << 20

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

func (b *buffer) sendPart(w http.ResponseWriter, part []byte) {
	maps.Copy(w.Header(), b.header)

	w.WriteHeader(b.code)
	_, _ = w.Write(part)
	_ = http.NewResponseController(w).Flush()
}

// applyRewrite puts the rule's own words in place of the reply's.
func (b *buffer) applyRewrite(rule *ActiveRule) {
	if rule.edit != nil {
		b.body = EditJSON(b.body, func(reply map[string]any) { b.code = rule.edit(b.code, reply) })
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

// Flood sends spaces, which every reader of JSON skips.
func Flood(w io.Writer) {
	chunk := bytes.Repeat([]byte{' '}, 1<<16)

	for range FloodBytes / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// packFlood is the flood as gzip.
func packFlood() []byte {
	var buf bytes.Buffer

	z := gzip.NewWriter(&buf)
	Flood(z)
	_ = z.Close() // a buffer takes everything

	return buf.Bytes()
}

// resetConnection ends the connection so that the caller sees a reset rather than an end.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no connection of its own
	}

	defer conn.Close()

	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// spillReply writes more than it announces, which net/http would not do.
func spillReply(w http.ResponseWriter, reply *buffer, announced int) {
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

// EditJSON changes the members of a JSON object; numbers stay as they are written. What is no object stays whole.
func EditJSON(body []byte, change func(map[string]any)) []byte {
	var object map[string]any

	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()

	if d.Decode(&object) != nil || object == nil {
		return body
	}

	change(object)

	out, err := json.Marshal(object)
	if err != nil {
		return body
	}

	return out
}
