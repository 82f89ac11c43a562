package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // of the index
	"encoding/hex"
	"net/http"
	"time"

	"imagerun/api"
)

//go:embed index.html
var index []byte

// serveIndex is GET /, where people look first. It needs neither script nor style.
func (s *server) serveIndex(w http.ResponseWriter, r *http.Request) {
	serveSpec(w, r, "text/html; charset=utf-8", index)
}

// serveYAML is GET /openapi.yaml.
func (s *server) serveYAML(w http.ResponseWriter, r *http.Request) {
	serveSpec(w, r, "application/yaml", api.Spec) // RFC 9512
}

// serveJSON is GET /openapi.json, the same document for programs that do not read YAML.
func (s *server) serveJSON(w http.ResponseWriter, r *http.Request) {
	serveSpec(w, r, "application/json", s.contract.text)
}

func serveSpec(w http.ResponseWriter, r *http.Request, kind string, text []byte) {
	sum := sha256.Sum256(text)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}
