package creem_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/inbox"
	"imagerun/internal/payments/creem"
	"imagerun/internal/redact"
)

// The vector is from: printf %s "$body" | openssl dgst -sha256 -hmac "$secret".
const (
	oldSecret = "whsec_old_secret_of_the_test"
	newSecret = "whsec_new_secret_of_the_test"

	vectorBody      = `{"id":"evt_1","eventType":"subscription.paid","created_at":1728734327355,"object":{"id":"sub_1","mode":"test"}}`
	vectorSignature = "2be908e33b5b6285e74e6e3ee2e72b238b369f6b41590eb224192da3892b9516"
)

// sign signs a body as Creem does.
func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(body))

	return hex.EncodeToString(mac.Sum(nil))
}

func signed(signature string) http.Header {
	h := http.Header{}
	h.Set("creem-signature", signature)

	return h
}

func newVerifier(t testing.TB, env creem.Environment, secrets ...string) *creem.Verifier {
	t.Helper()

	hidden := make([]redact.Secret, len(secrets))
	for i, s := range secrets {
		hidden[i] = redact.NewSecret(s)
	}

	v, err := creem.NewVerifier(hidden, env)
	require.NoError(t, err)

	return v
}

func TestVerify_AgreesWithTheVector(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		secrets []string
		header  http.Header
		body    string
		ok      bool
	}{
		"Good":              {secrets: []string{newSecret}, ok: true},
		"SecondSecret":      {secrets: []string{oldSecret, newSecret}, ok: true},
		"FirstSecret":       {secrets: []string{newSecret, oldSecret}, ok: true},
		"OtherSecret":       {secrets: []string{oldSecret}},
		"NoSecret":          {},
		"OtherBody":         {secrets: []string{newSecret}, body: vectorBody + " "},
		"NoSignature":       {secrets: []string{newSecret}, header: http.Header{}},
		"TwoSignatures":     {secrets: []string{newSecret}, header: http.Header{"Creem-Signature": {vectorSignature, vectorSignature}}},
		"EmptySignature":    {secrets: []string{newSecret}, header: signed("")},
		"NotHex":            {secrets: []string{newSecret}, header: signed("zz" + vectorSignature[2:])},
		"TooShort":          {secrets: []string{newSecret}, header: signed(vectorSignature[2:])},
		"Tampered":          {secrets: []string{newSecret}, header: signed("00" + vectorSignature[2:])},
		"WithPrefix":        {secrets: []string{newSecret}, header: signed("sha256=" + vectorSignature)},
		"SignedByNoSecret":  {header: signed(sign("", vectorBody))},
		"InAnotherHeader":   {secrets: []string{newSecret}, header: http.Header{"X-Creem-Signature": {vectorSignature}}},
		"StandardSignature": {secrets: []string{newSecret}, header: http.Header{"Webhook-Signature": {"v1," + vectorSignature}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			header, body := c.header, c.body
			if header == nil {
				header = signed(vectorSignature)
			}

			if body == "" {
				body = vectorBody
			}

			e, err := newVerifier(t, creem.Test, c.secrets...).Verify(t.Context(), header, []byte(body))
			if c.ok {
				require.NoError(t, err)
				require.Equal(t, inbox.Event{ID: "evt_1", Type: "subscription.paid"}, e)
			} else {
				require.ErrorIs(t, err, creem.ErrSignature)
				require.Equal(t, fault.Unauthenticated, fault.Of(err).Kind)
				require.Equal(t, "webhook_signature_invalid", fault.Of(err).Code)
				require.Zero(t, e)
			}
		})
	}
}

func TestVerify_OfEveryFixture(t *testing.T) {
	t.Parallel()

	v := newVerifier(t, creem.Test, newSecret)

	for name, f := range fixtures(t) {
		e, err := v.Verify(t.Context(), signed(sign(newSecret, string(f.body))), f.body)
		require.NoError(t, err)
		require.Equal(t, name, e.Type)
		require.True(t, strings.HasPrefix(e.ID, "evt_"), e.ID)
	}
}

func TestVerify_RefusesTheOtherEnvironment(t *testing.T) {
	t.Parallel()

	for mode, ok := range map[string]struct{ test, live bool }{
		`"test"`: {test: true}, `"sandbox"`: {test: true}, `"local"`: {test: true}, `"a-new-one"`: {test: true},
		`"prod"`: {live: true}, `"production"`: {live: true}, `"live"`: {live: true},
		`null`: {true, true}, `""`: {true, true}, // as credits have it
	} {
		body := `{"id":"evt_1","eventType":"subscription.paid","object":{"id":"sub_1","mode":` + mode + `,"customer":{"email":"` + email + `"}}}`

		for env, ok := range map[creem.Environment]bool{creem.Test: ok.test, creem.Live: ok.live} {
			_, err := newVerifier(t, env, newSecret).Verify(t.Context(), signed(sign(newSecret, body)), []byte(body))
			if ok {
				require.NoError(t, err, mode)

				continue
			}

			require.ErrorIs(t, err, creem.ErrEnvironment, mode)
			require.Equal(t, fault.Unauthenticated, fault.Of(err).Kind)
			require.Equal(t, "webhook_environment_mismatch", fault.Of(err).Code)

			// Who has no secret does not hear which environment it is.
			_, err = newVerifier(t, env, newSecret).Verify(t.Context(), signed(sign(oldSecret, body)), []byte(body))
			require.ErrorIs(t, err, creem.ErrSignature)
		}
	}
}

// What is signed and no event is the inbox's to refuse, as any event without a name.
func TestVerify_OfOddBodies(t *testing.T) {
	t.Parallel()

	v := newVerifier(t, creem.Live, newSecret)

	for _, body := range []string{"", "null", "{}", "[]", `"x"`, `{"id":7}`, `{"object":7}`, `{"object":null}`, email, "\xff"} {
		e, err := v.Verify(t.Context(), signed(sign(newSecret, body)), []byte(body))
		require.Zero(t, e)

		if err != nil {
			require.ErrorIs(t, err, inbox.ErrInvalid)
			require.NotContains(t, err.Error(), email)
		}
	}
}

func TestNewVerifier_RefusesWhatIsWeak(t *testing.T) {
	t.Parallel()

	fine := redact.NewSecret(newSecret)

	for name, c := range map[string]struct {
		secrets []redact.Secret
		env     creem.Environment
		says    string
	}{
		"Short":         {[]redact.Secret{redact.NewSecret(strings.Repeat("s", 23))}, creem.Test, "shorter than 24 bytes"},
		"SecondShort":   {[]redact.Secret{fine, redact.NewSecret("tiny")}, creem.Test, "shorter than 24 bytes"},
		"Empty":         {[]redact.Secret{{}}, creem.Live, "shorter than 24 bytes"},
		"Three":         {[]redact.Secret{fine, fine, fine}, creem.Live, "two at most"},
		"NoEnvironment": {[]redact.Secret{fine}, "", "test or live"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			v, err := creem.NewVerifier(c.secrets, c.env)
			require.Nil(t, v)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, fmt.Sprintf("%+v", err), "tiny")
		})
	}

	_, err := creem.NewVerifier([]redact.Secret{redact.NewSecret(strings.Repeat("s", 24))}, creem.Live)
	require.NoError(t, err)
}
