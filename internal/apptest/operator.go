package apptest

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ops reads a page of a private listener as an operator.
func (p *Product) Ops(t testing.TB, url string) (status int, body string) {
	t.Helper()

	status, body, err := p.fetchAsOperator(t, http.MethodGet, url)
	require.NoError(t, err)

	return status, body
}

// Press sends a command to a private listener as an operator.
func (p *Product) Press(t testing.TB, method, url string) (status int) {
	t.Helper()

	status, _, err := p.fetchAsOperator(t, method, url)
	require.NoError(t, err)

	return status
}

func (p *Product) fetchAsOperator(t testing.TB, method, url string) (status int, body string, err error) {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	r.SetBasicAuth(operator, Password)

	reply, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer reply.Body.Close()

	b, err := io.ReadAll(reply.Body)

	return reply.StatusCode, string(b), err
}

// Metric returns the sum of a metric over its labels at a private listener; -1: there is none.
func (p *Product) Metric(t testing.TB, opsURL, name string) float64 {
	t.Helper()

	_, body := p.Ops(t, opsURL+"/metrics")
	sum, found := 0.0, false

	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || (rest[0] != ' ' && rest[0] != '{') {
			continue
		}

		fields := strings.Fields(rest)

		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		require.NoError(t, err)

		sum, found = sum+v, true
	}

	if !found {
		return -1
	}

	return sum
}

// Count runs a query that returns one number, as the owner of the tables.
func (p *Product) Count(t testing.TB, sql string, args ...any) int {
	t.Helper()

	var n int

	require.NoError(t, p.Pool.QueryRow(t.Context(), sql, args...).Scan(&n), sql)

	return n
}
