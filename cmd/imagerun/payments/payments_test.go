package payments

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"imagerun/internal/cli"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/publicid"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// counter is an operator at the counter, and a person who has bought a pack.
type counter struct {
	*paymentstest.Books

	t      *testing.T
	url    string // of the database, as the operators' role
	pool   *pgxpool.Pool
	person paymentstest.Person
	order  uuid.UUID
}

func atTheCounter(t *testing.T) *counter {
	t.Helper()

	url, _, _ := devtest.PostgresURLs(t)
	b := &counter{t: t, url: devtest.As(t, url, "operator"), pool: devtest.Pool(t, url)}
	b.Books = paymentstest.NewBooks(t, b.pool)
	b.person = b.NewPerson()
	b.order = b.BuyPack(b.person, "pack-small", false)
	b.Exec(`update payment_order set email = 'Ada@Example.com', credits_each = credits`)

	return b
}

// run runs the program as its operator's role, with nothing but the database's address set.
func (b *counter) run(exit int, args ...string) string {
	b.t.Helper()

	return b.runWith(nil, "", exit, args...)
}

// runWith is run with more in the environment, and something on standard input.
func (b *counter) runWith(environ []string, in string, exit int, args ...string) string {
	b.t.Helper()

	var out bytes.Buffer

	f := tool{Settings: cli.Settings{Environ: append([]string{"IMAGERUN_POSTGRES_URL=" + b.url}, environ...)}, every: 10 * time.Millisecond}
	root := cli.Group(&cobra.Command{Use: "imagerun", SilenceUsage: true, SilenceErrors: true}, f.groupCommand())
	root.SetIn(strings.NewReader(in))

	code := cli.Run(b.t.Context(), root, append([]string{"payments"}, args...), &out, &out)
	require.Equal(b.t, exit, code, "%v: %s", args, &out)
	require.NotContains(b.t, strings.ToLower(out.String()), "example.com", "no address")

	return out.String()
}

// tell keeps a webhook that named something, as one that failed.
func (b *counter) tell(name string) (id uuid.UUID) {
	b.t.Helper()

	id = uuid.New()
	b.Exec(`insert into inbox_event (id, source, event_id, event_type, body, state, code, ended_at) values ($1, 'creem', $2, 'checkout.completed', $3, 'failed', 'event_unreadable', now())`,
		id, id.String(), []byte(`{"id": "`+name+`", "email": "ada@example.com"}`))

	return id
}

// jobs lists the kinds of the live jobs.
func (b *counter) jobs() string {
	b.t.Helper()

	return paymentstest.Read[string](b.Books, `select coalesce(string_agg(kind, ' ' order by kind), '') from job`)
}

func (b *counter) publicOrder() string { return publicid.Format(publicid.PrefixOrder, b.order) }
