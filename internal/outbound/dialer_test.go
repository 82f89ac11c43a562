package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/outbound"
)

func TestPublicOnly_RefusesWhatLeadsInside(t *testing.T) {
	t.Parallel()

	called := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("it was called")
	}))
	t.Cleanup(called.Close)

	port := called.URL[strings.LastIndex(called.URL, ":"):]
	client := outbound.New(outbound.Options{PublicOnly: true})

	for _, host := range []string{
		"127.0.0.1" + port, "localhost" + port, "[::1]" + port, "[::ffff:127.0.0.1]" + port, "0.0.0.0" + port, "[::]" + port,
		"10.0.0.1", "192.168.1.1", "172.16.0.1:8080", "169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001::1]", "[ff02::1]",
	} {
		_, err := client.Do(t.Context(), call("http://"+host))
		require.ErrorIs(t, err, outbound.ErrPrivateAddress, host)
		requireFailed(t, err, outbound.NotSent, fault.Forbidden, "outbound_private_address")
	}
}

func TestPublicOnly_IsAChoice(t *testing.T) {
	t.Parallel()

	b := setup(t, func(http.ResponseWriter, *http.Request) {})

	_, err := b.do()
	require.NoError(t, err)
	require.EqualValues(t, 1, b.calls.Load())
}
