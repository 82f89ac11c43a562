package httpapi

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/ratelimit"
)

// exchange is what the layers of one request tell each other.
type exchange struct {
	requestID string
	pattern   string    // of the route; "unmatched" until the mux has found one
	userID    uuid.UUID // zero until the caller is known
	code      string    // of the problem; empty: none
	gone      bool      // the caller went away before the answer
	lasts     bool      // it waits, streams or downloads: how long it takes says nothing of us

	caller     context.Context                 //nolint:containedctx // ends when the caller leaves, and for no reason of ours
	connection *http.ResponseController        // whose deadlines a wait extends
	authorize  func(ctx context.Context) error // judges the caller once more; nil on a public route

	standings []ratelimit.Standing // of the limits that the request was counted against
	refused   map[int]error        // items of its body that the contract does not allow, by their index
}

// statusGone stands in logs and metrics for a caller who left before the answer, as in nginx: it
// is no failure of ours. It is never sent.
const statusGone = 499

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	if x == nil {
		return &exchange{pattern: "unmatched", caller: ctx}
	}

	return x
}

// saneRequestID is what we take over from a caller: the alphabet of UUIDs, ULIDs and hex. It has
// no dot, underscore or at-sign, so no API key, session token or address passes into the log.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9-]{8,64}$`)

// wrapRequests wraps every request: its id, safe headers, one log line, metrics, and panics as problems.
func (s *server) wrapRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}

		x := &exchange{
			requestID: r.Header.Get("X-Request-Id"), pattern: "unmatched",
			caller: r.Context(), connection: http.NewResponseController(rec),
		}
		if !saneRequestID.MatchString(x.requestID) {
			x.requestID = uuid.NewString()
		}

		began := time.Now()

		s.Metrics.inFlight.Inc()
		defer s.Metrics.inFlight.Dec()

		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		safeHeaders(rec.Header(), x.requestID)

		defer func() {
			abort := false
			if v := recover(); v != nil {
				abort = s.recoverPanic(rec, r, v)
			}

			s.recordRequest(r, rec, x, time.Since(began))

			if abort {
				panic(http.ErrAbortHandler) // net/http closes the connection: a torn reply must not look whole
			}
		}()

		body := timeBody(w, r)
		r.Body = http.MaxBytesReader(rec, body, maxBatch) // the longest of any route
		next.ServeHTTP(rec, r)
		drainBody(r, body)
	})
}

// drainBody takes in what is left of a refused body: most clients send all of theirs before they read,
// and a connection closed before that shows them a broken pipe instead of the answer. What is
// far too long, or waits for leave to be sent (RFC 9110 §10.1.1), is not waited for.
func drainBody(r *http.Request, body io.Reader) {
	if r.ContentLength <= maxDrain && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, body, maxDrain)
	}
}

// safeHeaders are on every reply: nothing here is to be framed, sniffed, cached by others or
// linked from. What is a page or a download says otherwise in its own handler.
func safeHeaders(h http.Header, requestID string) {
	h.Set("X-Request-Id", requestID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Strict-Transport-Security", "max-age=31536000") // ignored over plain HTTP (RFC 6797 §8.1)
	h.Set("Cache-Control", "no-store")
}

// recoverPanic turns a panic into a problem, or, when the reply has begun, asks for the connection to
// be ended. The panic's value may hold anything, so only its stack is logged.
func (s *server) recoverPanic(rec *recorder, r *http.Request, v any) (abort bool) {
	if v == http.ErrAbortHandler { //nolint:errorlint // a sentinel, compared as net/http does
		return true
	}

	err := fmt.Errorf("handler panicked: %s", debug.Stack())

	if rec.status != 0 {
		x := exchangeOf(r.Context())
		s.Logger.ErrorContext(r.Context(), "request failed in the middle of its reply",
			slog.String("request_id", x.requestID), slog.String("route", x.pattern), slog.Any("error", err))

		return true
	}

	s.fail(rec, r, err)

	return false
}

func (s *server) recordRequest(r *http.Request, rec *recorder, x *exchange, took time.Duration) {
	if rec.status == 0 {
		rec.status = http.StatusOK // what net/http sends for a handler that wrote nothing
	}

	if x.gone {
		rec.status = statusGone
	}

	s.Metrics.observeRequest(x, r.Method, rec.status, took)

	attrs := []slog.Attr{
		slog.String("route", x.pattern), slog.String("method", knownMethod(r.Method)), slog.Int("status", rec.status),
		slog.Duration("duration", took), slog.String("request_id", x.requestID),
	}
	if x.userID != uuid.Nil {
		attrs = append(attrs, slog.String("user_id", x.userID.String()))
	}

	if x.code != "" {
		attrs = append(attrs, slog.String("code", x.code))
	}

	s.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request handled", attrs...)
}

// recorder remembers the status. Unwrap lets http.ResponseController through.
type recorder struct {
	http.ResponseWriter

	status int
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}

	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}

	return w.ResponseWriter.Write(b)
}
