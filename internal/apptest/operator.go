package apptest

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (p *Product) Ops(t testing.TB, url string) (status int, body string) {
	t.Helper()

	status, body, err := p.fetch(t, http.MethodGet, url)
	require.NoError(t, err)

	return status, body
}

func (p *Product) Press(t testing.TB, method, url string) (status int) {
	t.Helper()

	status, _, err := p.fetch(t, method, url)
	require.NoError(t, err)

	return status
}

func (p *Product) fetch(t testing.TB, method, url string) (status int, body string, err error) {
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

func (p *Product) Count(t testing.TB, sql string, args ...any) int {
	t.Helper()

	var n int

	require.NoError(t, p.Pool.QueryRow(t.Context(), sql, args...).Scan(&n), sql)

	return n
}
