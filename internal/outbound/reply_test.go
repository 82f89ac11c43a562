package outbound_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/outbound"
)

func TestReply_Malformed(t *testing.T) {
	t.Parallel()

	for _, body := range []string{"", "<html>" + secret, `{"id":`, `{"id":1} {}`, `{"id":{}}`} {
		var into struct{ ID string }

		err := outbound.Reply{Status: 200, Body: []byte(body)}.Decode(&into)
		requireFailed(t, err, outbound.Answered, fault.Internal, "outbound_malformed_reply")
		require.ErrorIs(t, err, outbound.ErrMalformedReply)
	}
}

func TestReply_AsError(t *testing.T) {
	t.Parallel()

	for status, kind := range map[int]fault.Kind{
		302: fault.Internal, 400: fault.Malformed, 401: fault.Unauthenticated, 402: fault.Payment, 403: fault.Forbidden, 404: fault.NotFound,
		408: fault.Unavailable, 409: fault.Conflict, 410: fault.Gone, 413: fault.TooLarge, 418: fault.Internal, 422: fault.Invalid,
		429: fault.RateLimited, 500: fault.Unavailable, 503: fault.Unavailable,
	} {
		requireFailed(t, outbound.Reply{Status: status}.AsError(), outbound.Answered, kind, "outbound_"+string(kind))
	}

	// Of the vendor's words only what is a word.
	err := outbound.Reply{Status: 422}.AsError("value_error.missing", "The name "+secret, "https://acme.example", "", "too_short", strings.Repeat("a", 65))
	require.EqualError(t, err, "status 422: value_error.missing, too_short")
	requireFailed(t, err, outbound.Answered, fault.Invalid, "outbound_invalid")
}
