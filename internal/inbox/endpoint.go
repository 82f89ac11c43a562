package inbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"imagerun/internal/fault"
)

// The faults of an endpoint, beside those of its verifier.
var (
	errTooLarge   = fault.New(fault.TooLarge, "body_too_large", "The event is larger than any that the source sends.")
	errIncomplete = fault.New(fault.Malformed, "body_incomplete", "The body ended early or came too slowly. Send the event again.")
)

const (
	defaultMaxBody = 256 << 10 // bytes; they are read before the signature is verified
	answerTime     = 5 * time.Second
)

// Verifier tells a vendor's webhooks from forgeries by their raw bytes, comparing in constant time, and says which event
// one is. Which secrets it takes while one replaces the other, two at most, is its matter. It answers a forgery with a fault of
// kind fault.Unauthenticated; after any other error the vendor may send the event again. The event's source and body are not its own to say.
type Verifier interface {
	Verify(ctx context.Context, header http.Header, body []byte) (Event, error)
}

// EndpointOptions say where the webhooks of a source arrive.
type EndpointOptions struct {
	// Source is its name: lower-case letters.
	Source   string
	Verifier Verifier
	// Types are what the source says may happen. Events of any other are received too, and counted together.
	Types []string
	// MaxBody is how many bytes an event has at most; zero: 256 KiB.
	MaxBody int64
	// Fail answers with an error.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

// Endpoint returns the handler of a source's webhooks.
func (b *Inbox) Endpoint(o EndpointOptions) http.Handler {
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}

	receipts := b.metrics.beginReceipts(o.Source, o.Types)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()

		eventType, fresh, err := b.receiveRequest(ctx, r, o)
		receipts.count(eventType, fresh, err)

		if err != nil {
			o.Fail(w, r, err)

			return
		}

		w.WriteHeader(http.StatusOK)
	})
}

// receiveRequest reads, verifies and receives one event. One that was not verified has no type: nothing it says is believed.
func (b *Inbox) receiveRequest(ctx context.Context, r *http.Request, o EndpointOptions) (eventType string, fresh bool, err error) {
	body, err := readBody(r, o.MaxBody)
	if err != nil {
		return "", false, err
	}

	e, err := o.Verifier.Verify(ctx, r.Header, body)
	if err != nil {
		return "", false, err
	}

	e.Source, e.Body = o.Source, body
	fresh, err = b.Receive(ctx, e)

	return e.Type, fresh, err
}

// readBody reads all of a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errTooLarge
	}

	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err == nil {
		return body, nil
	}

	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, errTooLarge
	}

	return nil, errIncomplete.WithCause(err)
}
