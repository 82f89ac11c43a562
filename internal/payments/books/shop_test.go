package books_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/credits"
	"imagerun/internal/inbox"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/books"
	"imagerun/internal/payments/creem"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/reconcile"
	"imagerun/internal/plan"
	"imagerun/internal/redact"
	"imagerun/internal/simulators/creemsim"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

const webhookSecret = "whsec_0123456789abcdef0123456789" //nolint:gosec // of the tests

// vendor is all that books and reconcile ask of one.
type vendor interface {
	books.Vendor
	reconcile.Vendor
}

// counter is where a shop is: the same for every process that works in it.
type counter struct {
	Creem string // its address
	User  uuid.UUID
	Now   time.Time
}

// shop is books with Creem's simulator behind our client, and the inbox that its webhooks come to, one person, and a clock that the
// test moves.
type shop struct {
	*bundle
	counter

	sim      *paymentstest.Creem // nil in another process than the simulator's
	client   *creem.Client
	endpoint http.Handler
	wishes   int // checkouts that were made
	told     int // events that news has returned
}

// newShop opens a shop with a simulator. Seed: see [paymentstest.NewCreem].
func newShop(t *testing.T, pool *pgxpool.Pool, seed uint64) *shop {
	t.Helper()

	at := counter{User: uuid.New(), Now: time.Date(2026, time.November, 3, 12, 0, 0, 0, time.UTC)}
	if seed != 0 {
		at.User = uuid.NewSHA1(uuid.Nil, []byte(strconv.FormatUint(seed, 10)))
	}

	c := clocktest.At(at.Now)
	sim := paymentstest.NewCreem(t, c, seed)
	at.Creem = sim.URL
	s := openShop(t, pool, at, c, nil)
	s.sim = sim

	return s
}

// openShop opens one that is there. Wrap is put around the client; nil: nothing is.
func openShop(t *testing.T, pool *pgxpool.Pool, at counter, now *clocktest.Clock, wrap func(vendor) vendor) *shop {
	t.Helper()

	s := &shop{bundle: &bundle{pool: pool, now: now, user: at.User}, counter: at, client: paymentstest.NewClient(t, at.Creem)}
	s.ledger = credits.New(credits.Options{Now: now.Now})
	log, sold := slog.New(slog.DiscardHandler), paymentstest.Products(t)

	plans, err := plan.Load(nil)
	require.NoError(t, err)

	var v vendor = s.client
	if wrap != nil {
		v = wrap(v)
	}

	registry := queue.NewRegistry(jobs.Kinds())
	s.jobs = queuetest.New(t, pool, registry)
	s.Books = books.New(books.Deps{
		Pool: pool, Queue: s.jobs.Queue(), Ledger: s.ledger, Products: sold, Plans: plans, Vendor: v, ParseHint: creem.ParseHint, Log: log, Now: now.Now,
	})
	s.Books.Register(registry)

	s.reconciler = reconcile.New(reconcile.Deps{Pool: pool, Queue: s.jobs.Queue(), Books: s.Books, Products: sold, Vendor: v, Log: log, Now: now.Now})
	s.reconciler.Register(registry)

	box := inbox.New(inbox.Deps{Pool: pool, Queue: s.jobs.Queue(), Log: log, Now: now.Now, Handlers: map[string]inbox.Handler{"creem": s.HandleEvent}})
	box.Register(registry)

	verifier, err := creem.NewVerifier([]redact.Secret{redact.NewSecret(webhookSecret)}, creem.Test)
	require.NoError(t, err)

	s.endpoint = box.Endpoint(inbox.EndpointOptions{Source: "creem", Verifier: verifier, Fail: func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}})

	s.inTx(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		s.subject, err = s.ledger.Subject(ctx, tx, s.user)

		return err
	})

	return s
}

func (s *shop) inTx(t *testing.T, do func(context.Context, pgx.Tx) error) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error { return do(t.Context(), tx) }))
}

// buy has the person pay a checkout of a product.
func (s *shop) buy(t *testing.T, product string) creemsim.Paid {
	t.Helper()

	s.wishes++
	ours := uuid.NewSHA1(s.user, []byte(strconv.Itoa(s.wishes)))
	made := s.open(t, product, ours)

	_, err := s.pool.Exec(t.Context(), `insert into payment_checkout
		(id, subject, product_id, plan, currency, amount, status, vendor_id, url, created_at, expires_at, next_look_at)
		values ($1, $2, $3, false, 'EUR', 100, 'open', $4, $5, $6, $7, $8)`,
		ours, s.subject, product, made.ID, made.URL, s.now.Now(), s.now.Now().Add(24*time.Hour), s.now.Now().Add(5*time.Minute))
	require.NoError(t, err)

	return s.pay(t, made.ID)
}

// open makes a checkout at Creem alone.
func (s *shop) open(t *testing.T, product string, ours uuid.UUID) payments.Checkout {
	t.Helper()

	made, err := s.client.CreateCheckout(t.Context(), payments.NewCheckout{
		CheckoutID: ours, ProductID: s.vendorProduct(t, product), Email: redact.NewPersonal("ada@example.com"), ReturnURL: "https://app.example/return",
	})
	require.NoError(t, err)

	return made
}

// pay has a checkout paid.
func (s *shop) pay(t *testing.T, checkout string) creemsim.Paid {
	t.Helper()

	paid, err := s.sim.PayCheckout(checkout)
	require.NoError(t, err)

	return paid
}

func (s *shop) vendorProduct(t *testing.T, id string) string {
	t.Helper()

	sold := paymentstest.Products(t)
	p, ok := sold.Find(id)
	require.True(t, ok)

	price, _ := p.PriceIn("EUR")

	return sold.VendorID(price)
}

// move lets time pass, here and at Creem.
func (s *shop) move(d time.Duration) {
	s.now.Move(d)
	s.sim.Tick()
}

// news are the events since it was asked last.
func (s *shop) news() []creemsim.Event {
	all := s.sim.Events()
	fresh := all[s.told:]
	s.told = len(all)

	return fresh
}

// deliver has a webhook come. It must be answered 200.
func (s *shop) deliver(t *testing.T, body []byte) {
	t.Helper()

	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write(body)

	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/creem", bytes.NewReader(body))
	r.Header.Set(creem.SignatureHeader, hex.EncodeToString(mac.Sum(nil)))

	w := httptest.NewRecorder()
	s.endpoint.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
}

// work has events come, and has everything done that follows.
func (s *shop) work(t *testing.T, events ...creemsim.Event) {
	t.Helper()

	for _, e := range events {
		s.deliver(t, e.Body)
	}

	s.jobs.RunAll(t.Context())
}
