package httpapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

func TestFalCallback(t *testing.T) {
	t.Parallel()

	const body = "{ \"request_id\" : \"r1\" }\n" // the signature is over these very bytes

	genuine := func(t *testing.T) func(header http.Header, raw []byte) (providers.Callback, error) {
		t.Helper()

		return func(header http.Header, raw []byte) (providers.Callback, error) {
			require.True(t, bytes.Equal([]byte(body), raw))
			require.Equal(t, "sig", header.Get("X-Fal-Webhook-Signature"))

			return providers.Callback{RequestID: "r1"}, nil
		}
	}

	t.Run("GenuineIsHandedOver", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.verify = genuine(t)
		b.receive = func(token string, cb providers.Callback) error {
			require.Equal(t, "t0ken.CANARY-7f3a", token)
			require.Equal(t, "r1", cb.RequestID)

			return nil
		}

		for range 2 { // a replay is as welcome
			w := b.do("POST", "/webhooks/fal/t0ken.CANARY-7f3a", body, "Authorization", "", "X-Fal-Webhook-Signature", "sig")
			require.Equal(t, http.StatusOK, w.Code)
			require.Empty(t, w.Body.String())
		}

		require.NotContains(t, b.log.String(), canary, "the token is in no log")
		require.Contains(t, b.log.String(), "/webhooks/fal/{token}")
	})

	t.Run("ForgedIsRefusedAndNotHandedOver", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.verify = func(http.Header, []byte) (providers.Callback, error) {
			return providers.Callback{}, fault.New(fault.Unauthenticated, "webhook_signature_invalid", "Not signed.").
				WithCause(errors.New("signature of CANARY-7f3a is wrong"))
		}

		w := b.do("POST", "/webhooks/fal/t0ken", body, "Authorization", "")
		requireCode(t, w, http.StatusUnauthorized, "webhook_signature_invalid")
		require.NotContains(t, w.Body.String(), canary)
		require.Equal(t, []string{"Verify"}, b.calls())
	})

	t.Run("NotCheckableIsSentAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.verify = func(http.Header, []byte) (providers.Callback, error) { return providers.Callback{}, errUnavailable }

		requireCode(t, b.do("POST", "/webhooks/fal/t0ken", body), http.StatusServiceUnavailable, "auth_unavailable")
		require.Equal(t, []string{"Verify"}, b.calls())
	})

	t.Run("UnknownAttempt", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.verify = genuine(t)
		b.receive = func(string, providers.Callback) error { return generation.ErrCallbackUnknown }

		requireCode(t, b.do("POST", "/webhooks/fal/t0ken", body, "X-Fal-Webhook-Signature", "sig"), http.StatusNotFound, "not_found")
	})

	t.Run("OurFailureIsSentAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.verify = genuine(t)
		b.receive = func(string, providers.Callback) error { return errors.New("no database") }

		requireCode(t, b.do("POST", "/webhooks/fal/t0ken", body, "X-Fal-Webhook-Signature", "sig"), http.StatusInternalServerError, "internal_error")
	})

	t.Run("EachIsCounted", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		count := func() (lines []string) {
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(b.metrics.Collectors()...)

			families, err := registry.Gather()
			require.NoError(t, err)

			for _, f := range families {
				if f.GetName() != "imagerun_webhooks_received_total" {
					continue
				}

				for _, m := range f.GetMetric() {
					lines = append(lines, fmt.Sprintf("%s %s %v", m.GetLabel()[1].GetValue(), m.GetLabel()[0].GetValue(), m.GetCounter().GetValue()))
				}
			}

			return lines
		}

		require.Empty(t, count(), "where none are expected, none are missed")
		b.metrics.ExpectWebhooks("fal")
		require.Equal(t, []string{"fal accepted 0", "fal failed 0", "fal forged 0", "fal unknown 0"}, count())

		for _, err := range []error{nil, nil, generation.ErrCallbackUnknown, errors.New("no database")} {
			b.verify = genuine(t)
			b.receive = func(string, providers.Callback) error { return err }
			b.do("POST", "/webhooks/fal/t0ken", body, "X-Fal-Webhook-Signature", "sig")
		}

		b.verify = func(http.Header, []byte) (providers.Callback, error) {
			return providers.Callback{}, fault.New(fault.Unauthenticated, "webhook_signature_invalid", "Not signed.")
		}
		b.do("POST", "/webhooks/fal/t0ken", body)

		require.Equal(t, []string{"fal accepted 2", "fal failed 1", "fal forged 1", "fal unknown 1"}, count())
	})
}
