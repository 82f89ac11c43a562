package httpapi

import (
	"context"
	"net/http"

	"imagerun/internal/providers"
)

// CallbackVerifier proves that a callback is the provider's. It answers a forgery with a fault of
// kind fault.Unauthenticated; after any other error the provider may send the callback again.
type CallbackVerifier interface {
	Verify(ctx context.Context, header http.Header, body []byte) (providers.Callback, error)
}

// Callbacks takes in what was proved. Token is the last part of the address, which we gave to the
// provider for one attempt; generation.ErrCallbackUnknown when it is of none. Taking in the same
// callback again is no error.
type Callbacks interface {
	ReceiveCallback(ctx context.Context, token string, cb providers.Callback) error
}

// falCallback is POST /webhooks/fal/{token}. The signature is over the raw bytes.
func (s *server) falCallback(w http.ResponseWriter, r *http.Request) {
	err := s.receiveCallback(r)
	s.Metrics.countWebhook("fal", err)

	if err != nil {
		s.fail(w, r, err)

		return
	}

	w.WriteHeader(http.StatusOK)
}

func (s *server) receiveCallback(r *http.Request) error {
	raw, err := readBody(r, maxCallback)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()

	cb, err := s.CallbackVerifier.Verify(ctx, r.Header, raw)
	if err != nil {
		return err
	}

	return s.Callbacks.ReceiveCallback(ctx, r.PathValue("token"), cb)
}
