package simulators_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/cmd/imagerun/simulators"
	"imagerun/internal/payments/products"
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

// start runs the command until the test ends, and returns how to read from Creem's simulator.
func start(t *testing.T, args ...string) (read func(path string) string) {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	c, out, done := simulators.Command(nil), &output{}, make(chan error, 1)
	c.SetOut(out)
	c.SetArgs(append([]string{
		"--fal-addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0", "--creem-addr", "127.0.0.1:0", "--creem-key", "k",
	}, args...))

	go func() { done <- c.ExecuteContext(ctx) }()

	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})

	creem := regexp.MustCompile(`Creem simulator: +(http://\S+)`)
	require.Eventually(t, func() bool { return creem.MatchString(out.String()) }, 10*time.Second, time.Millisecond)

	return func(path string) string {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, creem.FindStringSubmatch(out.String())[1]+path, nil)
		require.NoError(t, err)
		req.Header.Set("x-api-key", "k")

		res, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)

		defer res.Body.Close()

		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)

		return string(text)
	}
}

func TestSimulators_ServesTheVendors(t *testing.T) {
	t.Parallel()

	read := start(t, "--creem-product", "prod_1,One,100,once")
	require.Contains(t, read("/v1/products/prod_1"), `"name":"One"`)
}

// What the product sells can be bought at the simulator without a word: it has each product as Creem would.
func TestSimulators_SellsWhatWeSell(t *testing.T) {
	t.Parallel()

	read := start(t)
	sold, err := products.Load(nil, products.Test)
	require.NoError(t, err)

	prices := 0

	for _, p := range sold.All() {
		period := map[products.Interval]string{"": "once", products.Month: "every-month", products.Year: "every-year"}[p.Interval]

		for _, price := range p.Prices {
			prices++

			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(read("/v1/products/"+price.VendorIDs[products.Test])), &got))
			require.Equal(t, []any{float64(price.Amount), price.Currency, period}, []any{got["price"], got["currency"], got["billing_period"]}, p.ID)
		}
	}

	require.Positive(t, prices)
}

func TestSimulators_RefusesWhatCannotBeSold(t *testing.T) {
	t.Parallel()

	for _, line := range []string{"prod_1,One,100", "prod_1,One,ten,once", "prod_1,One,100,every-blue-moon", "prod_1,One,100,once,GBP"} {
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
