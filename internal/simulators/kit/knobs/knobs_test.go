package knobs_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/kit/knobs"
)

type settings struct {
	WaitMS int64  `json:"wait_ms"`
	SkewMS int64  `json:"skew_ms"`
	Word   string `json:"word"`
}

func (s settings) check() error {
	return errors.Join(knobs.CheckCounts(s, "skew_ms"), knobs.CheckOneOf("word", s.Word, []string{"", "yes"}))
}

func TestServe_TurnsWhatTheBodyNames(t *testing.T) {
	t.Parallel()

	now := settings{WaitMS: 5}
	h := knobs.Serve(func() settings { return now }, func(next settings) error {
		if err := next.check(); err != nil {
			return err
		}

		now = next

		return nil
	})

	call := func(method, body string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/_control/knobs", strings.NewReader(body)))

		return w.Code, w.Body.String()
	}

	status, body := call(http.MethodPut, `{"skew_ms":-7,"word":"yes"}`)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"wait_ms":5,"skew_ms":-7,"word":"yes"}`, body)

	for slip, says := range map[string]string{
		`{"wait":1}`: "unknown field", `{"wait_ms":-1}`: "wait_ms: must not be negative", `{"word":"no"}`: `there is no \"no\"; there are yes`, `{`: "unexpected EOF",
	} {
		status, body = call(http.MethodPut, slip)
		require.Equal(t, http.StatusBadRequest, status, slip)
		require.Contains(t, body, says)
	}

	status, body = call(http.MethodGet, "")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"wait_ms":5,"skew_ms":-7,"word":"yes"}`, body, "nothing was turned by a slip")

	status, _ = call(http.MethodPost, `{}`)
	require.Equal(t, http.StatusMethodNotAllowed, status)
}
