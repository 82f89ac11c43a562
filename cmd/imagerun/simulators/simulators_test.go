package simulators_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/cmd/imagerun/simulators"
)

// output is what the command prints while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.text.String()
}

func TestSimulators_ServesTheVendors(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	c, out, done := simulators.Command(nil), &output{}, make(chan error, 1)
	c.SetOut(out)
	c.SetArgs([]string{
		"--fal-addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0", "--creem-addr", "127.0.0.1:0", "--creem-key", "k", "--creem-product", "prod_1,One,100,once,EUR",
	})

	go func() { done <- c.ExecuteContext(ctx) }()

	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})

	creem := regexp.MustCompile(`Creem simulator: +(http://\S+)`)
	require.Eventually(t, func() bool { return creem.MatchString(out.String()) }, 10*time.Second, time.Millisecond)

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, creem.FindStringSubmatch(out.String())[1]+"/v1/products/prod_1", nil)
	require.NoError(t, err)
	req.Header.Set("x-api-key", "k")

	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)

	defer res.Body.Close()

	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), `"name":"One"`)
}

func TestSimulators_RefusesWhatCannotBeSold(t *testing.T) {
	t.Parallel()

	for _, line := range []string{"prod_1,One,100,once", "prod_1,One,ten,once,EUR", "prod_1,One,100,every-blue-moon,EUR", "prod_1,One,100,once,GBP"} {
		c := simulators.Command(nil)
		c.SilenceUsage, c.SilenceErrors = true, true
		c.SetArgs([]string{"--creem-product", line})
		require.ErrorContains(t, c.ExecuteContext(t.Context()), "--creem-product", line)
	}

	c := simulators.Command([]string{"IMAGERUN_ENV=production"})
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetArgs([]string{})
	require.ErrorContains(t, c.ExecuteContext(t.Context()), "production")
}
