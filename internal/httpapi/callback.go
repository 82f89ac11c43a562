package httpapi

import (
	"context"
	"errors"
	"net/http"

	"imagerun/internal/fault"
	"imagerun/internal/providers"
)

// CallbackVerifier proves that a callback is the provider's. A fault that it returns is the
// answer; any other error means that the callback is not genuine.
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
	raw, err := readBody(r)
	if err != nil {
		s.fail(w, r, err)

		return
	}

	cb, err := s.CallbackVerifier.Verify(r.Context(), r.Header, raw)
	if err != nil {
		s.fail(w, r, callbackFault(err))

		return
	}

	if err := s.Callbacks.ReceiveCallback(r.Context(), r.PathValue("token"), cb); err != nil {
		s.fail(w, r, err)

		return
	}

	w.WriteHeader(http.StatusOK)
}

// callbackFault tells a forgery from a check that could not be made, which the sender repeats.
func callbackFault(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}

	if e, ok := errors.AsType[*providers.Error](err); ok && e.Class == providers.Transient {
		return errCallbackUnchecked.WithCause(err)
	}

	return errForgedCallback.WithCause(err)
}
