package creem_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/creem"
	"imagerun/internal/redact"
)

const (
	testKey  = "creem_test_0123456789"
	email    = "ada@example.com"
	returned = "https://app.example/billing/return"
)

var checkoutID = uuid.MustParse("11111111-2222-4333-8444-555555555555")

// exchange is one call that came in.
type exchange struct {
	method, target, body string
	header               http.Header
}

type bundle struct {
	url    string
	client *creem.Client

	mu    sync.Mutex // guards the calls
	calls []exchange
}

// setup makes a vendor that answers by serve, and a client for it.
func setup(t *testing.T, serve http.HandlerFunc, change ...func(*creem.Options)) *bundle {
	t.Helper()

	b := &bundle{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)

		b.mu.Lock()
		b.calls = append(b.calls, exchange{r.Method, r.URL.String(), string(body), r.Header})
		b.mu.Unlock()

		serve(w, r)
	}))
	b.url = server.URL

	o := creem.Options{Key: redact.NewSecret(testKey), URL: b.url + "/", Timeout: 5 * time.Second}
	for _, c := range change {
		c(&o)
	}

	b.client = creem.New(o)
	t.Cleanup(func() {
		b.client.Close()
		server.Close()
	})

	return b
}

// arrived returns the calls that came in so far.
func (b *bundle) arrived() []exchange {
	b.mu.Lock()
	defer b.mu.Unlock()

	return append([]exchange(nil), b.calls...)
}

// answer is a vendor that always says the same.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// cut is a vendor that ends the connection after some bytes.
func cut(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}

		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// requireFailed checks the class of an error, and that it gives nothing away.
func requireFailed(t *testing.T, err error, class payments.Class) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, class, payments.ClassOf(err), err.Error())

	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		for _, leak := range []string{email, "example", "http:", "https:", "127.0.0.1", "/v1", testKey, "sub_1", "tran_1", "cust_1", "secret"} {
			require.NotContains(t, strings.ToLower(text), leak)
		}
	}
}
