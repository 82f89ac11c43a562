package device_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"imagerun/internal/auth/device"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSigner(t *testing.T) {
	t.Parallel()

	now := time.Unix(1_800_000_000, 0)
	s := device.NewSigner("a secret", "tests", time.Hour)
	value := s.Sign("ann", now)

	with := func(values ...string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, v := range values {
			r.AddCookie(&http.Cookie{Name: "device", Value: v})
		}

		return r
	}

	changed := "A" + value[1:]
	if changed == value {
		changed = "B" + value[1:]
	}

	id := s.Known(with(value), "device", "ann", now.Add(time.Hour-time.Second))
	require.Len(t, id, 32)
	require.NotEqual(t, id, s.Known(with(s.Sign("ann", now)), "device", "ann", now), "each device is another")

	for name, known := range map[string]string{
		"TooOld":         s.Known(with(value), "device", "ann", now.Add(time.Hour)),
		"AnotherSubject": s.Known(with(value), "device", "bob", now),
		"AnotherCookie":  s.Known(with(value), "other", "ann", now),
		"Two":            s.Known(with(value, value), "device", "ann", now),
		"None":           s.Known(with(), "device", "ann", now),
		"Changed":        s.Known(with(changed), "device", "ann", now),
		"Cut":            s.Known(with(value[:len(value)-2]), "device", "ann", now),
		"NotBase64":      s.Known(with("?"), "device", "ann", now),
		"AnotherSecret":  device.NewSigner("another", "tests", time.Hour).Known(with(value), "device", "ann", now),
		"AnotherUse":     device.NewSigner("a secret", "others", time.Hour).Known(with(value), "device", "ann", now),
	} {
		require.Empty(t, known, name)
	}

	again := device.NewSigner("a secret", "tests", time.Minute)
	require.Equal(t, s.Digest("a", "x"), again.Digest("a", "x"))
	require.NotEqual(t, s.Digest("a", "x"), s.Digest("b", "x"))
	require.NotContains(t, s.Digest("a", "x"), "x")
}
