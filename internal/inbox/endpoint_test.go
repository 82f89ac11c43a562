package inbox_test

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEndpoint_Refuses(t *testing.T) {
	t.Parallel()

	b := setup(t)
	body := bodyOf("evt_1", "number.added")
	signed := b.vendor.sign(body)

	for name, c := range map[string]struct {
		body      []byte
		signature string
		want      int
	}{
		"no signature":       {body, "", http.StatusUnauthorized},
		"another secret":     {body, vendor{[]string{"another"}}.sign(body), http.StatusUnauthorized},
		"another body":       {append(body, ' '), signed, http.StatusUnauthorized},
		"a part of the body": {body[:len(body)-1], signed, http.StatusUnauthorized},
		"no JSON":            {[]byte("{"), b.vendor.sign([]byte("{")), http.StatusUnprocessableEntity},
		"no id":              {bodyOf("", "number.added"), b.vendor.sign(bodyOf("", "number.added")), http.StatusUnprocessableEntity},
		"an id that is too long": {
			bodyOf(strings.Repeat("é", 201), "number.added"), b.vendor.sign(bodyOf(strings.Repeat("é", 201), "number.added")), http.StatusUnprocessableEntity,
		},
		"an id with a NUL": {bodyOf(`a\u0000`, "number.added"), b.vendor.sign(bodyOf(`a\u0000`, "number.added")), http.StatusUnprocessableEntity},
		"too large":        {bytes.Repeat([]byte(" "), maxBody+1), b.vendor.sign(bytes.Repeat([]byte(" "), maxBody+1)), http.StatusRequestEntityTooLarge},
	} {
		require.Equal(t, c.want, b.post(t, bytes.NewReader(c.body), c.signature), name)
		// Of unknown length: it is counted while it is read.
		require.Equal(t, c.want, b.post(t, struct{ *bytes.Reader }{bytes.NewReader(c.body)}, c.signature), name)
	}

	require.Zero(t, b.count(t, `select count(*) from inbox_event`))
	require.Zero(t, b.count(t, `select count(*) from job`))

	longest := bodyOf(strings.Repeat("é", 200), strings.Repeat("t", 100))
	require.Equal(t, http.StatusOK, b.post(t, bytes.NewReader(longest), b.vendor.sign(longest)))
}

// A body that ends before it was announced to end leaves nothing.
func TestEndpoint_Truncated(t *testing.T) {
	t.Parallel()

	b := setup(t)
	body := bodyOf("evt_1", "number.added")

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", b.server.Listener.Addr().String())
	require.NoError(t, err)

	defer conn.Close()

	_, err = conn.Write([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nX-Signature: " + b.vendor.sign(body) + "\r\n\r\n" + string(body)))
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())

	reply := make([]byte, 64)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))

	n, err := conn.Read(reply)
	require.NoError(t, err)
	require.Contains(t, string(reply[:n]), " 400 ")
	require.Zero(t, b.count(t, `select count(*) from inbox_event`))
}

// While one secret replaces the other, both are good.
func TestEndpoint_TwoSecrets(t *testing.T) {
	t.Parallel()

	v := vendor{[]string{"new", "old"}}
	body := bodyOf("evt_1", "number.added")

	for secret, want := range map[string]bool{"new": true, "old": true, "older": false} {
		_, err := v.Verify(t.Context(), http.Header{"X-Signature": {vendor{[]string{secret}}.sign(body)}}, body)
		require.Equal(t, want, err == nil, secret)
	}
}
