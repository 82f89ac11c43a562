package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// minCompressed is the shortest list that is worth compressing, in bytes.
const minCompressed = 1 << 10

// revalidateReplies has browsers keep what next answers and ask before they use it again: with the entity tag that next
// set, or one of the content. Whose it is depends on the credentials.
func revalidateReplies(next http.HandlerFunc) http.HandlerFunc {
	tagged := tagReplies(next)

	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "private, no-cache") // a problem takes it back
		h.Add("Vary", "Authorization, Cookie")
		tagged(w, r)
	}
}

// shareReplies has anybody keep for some minutes what next answers to everybody.
func shareReplies(next http.HandlerFunc) http.HandlerFunc {
	tagged := tagReplies(next)

	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300") // a problem takes it back
		tagged(w, r)
	}
}

// tagReplies sends an entity tag with what next answers, and the answer only to who does not have it.
func tagReplies(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply := &heldReply{ResponseWriter: w}
		next(reply, r)
		reply.sendHeld(r)
	}
}

// heldReply keeps a 200 back until all of it is there, and lets everything else through.
type heldReply struct {
	http.ResponseWriter

	held bool
	body bytes.Buffer
}

func (w *heldReply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *heldReply) WriteHeader(status int) {
	if w.held = status == http.StatusOK; !w.held {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *heldReply) Write(b []byte) (int, error) {
	if w.held {
		return w.body.Write(b)
	}

	return w.ResponseWriter.Write(b)
}

// sendHeld sends what was kept back, or says that the caller has it. A tag made here is weak: compressed, it is another text.
func (w *heldReply) sendHeld(r *http.Request) {
	if !w.held {
		return
	}

	h := w.Header()
	if h.Get("ETag") == "" {
		sum := sha256.Sum256(w.body.Bytes())
		h.Set("ETag", `W/"`+hex.EncodeToString(sum[:12])+`"`)
	}

	if known := r.Header.Get("If-None-Match"); matchesETag(&known, h.Get("ETag")) {
		h.Del("Content-Type")
		w.ResponseWriter.WriteHeader(http.StatusNotModified)

		return
	}

	w.ResponseWriter.WriteHeader(http.StatusOK)
	_, _ = w.ResponseWriter.Write(w.body.Bytes())
}

// compressReplies sends what next answers by gzip to callers who take it.
func compressReplies(next http.HandlerFunc) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.ContentTypes([]string{"application/json"}))
	if err != nil {
		panic(err) // its options are constants
	}

	return wrap(next)
}
