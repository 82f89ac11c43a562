package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

func newChunked(t *testing.T, target, body string) *http.Request {
	t.Helper()

	return post(target, io.MultiReader(strings.NewReader(body)))
}

func newBroken(t *testing.T, target string) *http.Request {
	t.Helper()

	return post(target, io.MultiReader(strings.NewReader(`{"model":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
}

func post(target string, body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer alice")

	return r
}

func serve(b *bundle, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)

	return w
}
