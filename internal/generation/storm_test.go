package generation_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/idempotency"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
)

// storm is many who do at once whatever can be done to the generations and the credits of a few.
type storm struct {
	*bundle

	users []uuid.UUID

	mu    sync.Mutex
	ids   map[uuid.UUID]uuid.UUID // whose each generation is
	known []uuid.UUID
	keys  map[string]uuid.UUID // what each idempotency key was answered with
	did   map[string]int
}

// TestStorm_Prove has 32 do everything at once for four people. Nobody waits in a circle for anybody,
// no key stands for two generations, every refusal is one that a person would understand, and when the
// rest has been worked, each credit is where it belongs.
func TestStorm_Prove(t *testing.T) {
	t.Parallel()

	lasts := 3 * time.Second
	if os.Getenv("IMAGERUN_PROVE") != "" {
		lasts = 2 * time.Minute
	}

	url, _, _ := devtest.PostgresURLs(t)
	pool, err := postgres.Open(t.Context(), postgres.Options{URL: url, AppName: "storm", MaxConns: 32})
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	s := &storm{ids: map[uuid.UUID]uuid.UUID{}, keys: map[string]uuid.UUID{}, did: map[string]int{}}
	s.bundle = setupOn(t, pool, func(o *generation.Options) {
		o.CollectFirst, o.CollectEvery, o.PollEvery, o.Slots = time.Millisecond, time.Millisecond, time.Millisecond, 100
	})
	s.provider.finishAll(t)
	s.provider.submit = sometimesFails

	for range 4 {
		s.users = append(s.users, uuid.New())
		s.fund(t, s.users[len(s.users)-1], 40)
	}

	var (
		all sync.WaitGroup
		end = time.Now().Add(lasts)
	)

	for range 32 {
		all.Go(func() {
			for time.Now().Before(end) {
				name, do := s.next()
				err := do(t)

				switch {
				case err == nil:
				case expected(err):
					name += ", refused"
				default:
					t.Errorf("%s: %v", name, err)
				}

				s.mu.Lock()
				s.did[name]++
				s.mu.Unlock()
			}
		})
	}

	all.Wait()
	t.Logf("did %v", s.did)

	// Whoever is left does its work, and time passes.
	s.provider.submit = nil

	for range 30 {
		s.admit(t)
		s.pass(t, time.Minute)
	}

	_, err = s.ExpireDue(t.Context())
	require.NoError(t, err)
	s.pass(t, 24*time.Hour)
	require.Empty(t, s.jobs.Dead())
	s.settled(t)

	for what, sql := range map[string]string{
		"captures": `select count(*) from ledger_txn where kind = 'capture'`,
		"releases": `select count(*) from ledger_txn where kind = 'release'`,
		"expiries": `select count(*) from ledger_txn where kind = 'expire'`,
		"refunds":  `select count(*) from ledger_txn where kind = 'refund'`,
	} {
		var n int

		require.NoError(t, pool.QueryRow(t.Context(), sql).Scan(&n))
		require.Positive(t, n, what)
	}

	// Connections report what they saw when they end.
	pool.Close()
	require.Zero(t, deadlocks(t, url))
}

// deadlocks is how many transactions of a database were ended because they waited in a circle.
func deadlocks(t *testing.T, url string) (n int) {
	t.Helper()

	err := devtest.Pool(t, url).QueryRow(t.Context(), `select deadlocks from pg_stat_database where datname = current_database()`).Scan(&n)
	require.NoError(t, err)

	return n
}

// expected are the answers that a person gets who is late, poor or in a hurry.
func expected(err error) bool {
	for _, e := range []error{
		generation.ErrNotFound, generation.ErrDeleted, generation.ErrNotCancelable, generation.ErrQueueFull,
		credits.ErrInsufficient, credits.ErrInDebt, idempotency.ErrInFlight, errNothingToRefund,
	} {
		if errors.Is(err, e) {
			return true
		}
	}

	return false
}

var errNothingToRefund = errors.New("it cost nothing")

func sometimesFails(providers.Request) error {
	switch rand.IntN(20) {
	case 0:
		return &providers.Error{Class: providers.Transient, Status: 503}
	case 1:
		return &providers.Error{Class: providers.Rejected, Code: string(generation.FailurePromptRejected), Status: 422}
	default:
		return nil
	}
}

// next is something to do.
func (s *storm) next() (string, func(*testing.T) error) {
	user := s.users[rand.IntN(len(s.users))]
	owner, id := s.some(user)

	type deed struct {
		weight int
		name   string
		do     func(*testing.T) error
	}

	deeds := []deed{
		{20, "submit", func(t *testing.T) error { t.Helper(); return s.order(t, user, "") }},
		{5, "submit with a key", func(t *testing.T) error { t.Helper(); return s.order(t, user, fmt.Sprint("key", rand.IntN(40))) }},
		{60, "work", func(t *testing.T) error { t.Helper(); s.jobs.RunNext(t.Context()); return nil }},
		{5, "admit", func(t *testing.T) error { t.Helper(); _, err := s.Admit(t.Context(), "fal"); return err }},
		{5, "remix", func(t *testing.T) error { t.Helper(); return s.remix(t, owner, id) }},
		{8, "cancel", func(t *testing.T) error { t.Helper(); _, err := s.Cancel(t.Context(), owner, id); return err }},
		{3, "delete", func(t *testing.T) error { t.Helper(); return s.Delete(t.Context(), owner, id) }},
		{2, "delete many", func(t *testing.T) error {
			t.Helper()

			_, err := s.DeleteMany(t.Context(), owner, s.many())

			return err
		}},
		{2, "forget deletions", func(t *testing.T) error {
			t.Helper()

			_, err := s.ForgetDeletions(t.Context(), time.Now().Add(time.Hour), 100)

			return err
		}},
		{3, "end what is due", func(t *testing.T) error {
			t.Helper()
			s.now.Move(20 * time.Second)

			_, err := s.ExpireDue(t.Context())

			return err
		}},
		{4, "grant", func(t *testing.T) error { t.Helper(); return s.gift(t, user) }},
		{2, "take back", func(t *testing.T) error { t.Helper(); return s.takeBack(t, user) }},
		{4, "refund", func(t *testing.T) error { t.Helper(); return s.refund(t) }},
		{2, "expire", func(t *testing.T) error { t.Helper(); _, err := s.credits.Expire(t.Context(), s.pool, 100); return err }},
		{3, "estimate", func(t *testing.T) error { t.Helper(); _, err := s.Estimate(t.Context(), s.ask(user)); return err }},
	}

	sum := 0
	for _, d := range deeds {
		sum += d.weight
	}

	at := rand.IntN(sum)
	for _, d := range deeds {
		if at -= d.weight; at < 0 {
			return d.name, d.do
		}
	}

	panic("unreachable")
}

// some is a generation of late, and whose it is.
func (s *storm) some(otherwise uuid.UUID) (owner, id uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()

	n := len(s.known)
	if n == 0 {
		return otherwise, uuid.New()
	}

	id = s.known[n-1-rand.IntN(min(n, 40))]

	return s.ids[id], id
}

func (s *storm) many() (ids []uuid.UUID) {
	for range 5 {
		_, id := s.some(uuid.Nil)
		ids = append(ids, id)
	}

	return ids
}

func (s *storm) ask(user uuid.UUID) generation.Submission {
	return submission(s.bundle, func(sub *generation.Submission) {
		sub.UserID = user
		sub.NumImages = new(1 + rand.IntN(3)) // two come, so the third fails

		if rand.IntN(2) == 0 {
			sub.Model, sub.FallbackModels = "flux-dev", []string{"flux-schnell"}
		}
	})
}

func (s *storm) order(t *testing.T, user uuid.UUID, key string) error {
	t.Helper()

	sub := s.ask(user)
	if key != "" {
		sub = submission(s.bundle, two)
		sub.UserID, sub.IdempotencyKey, sub.Fingerprint = user, key, []byte(key)
	}

	a, err := s.Submit(t.Context(), sub)
	if err != nil {
		return err
	}

	return s.note(a, key)
}

func (s *storm) remix(t *testing.T, owner, id uuid.UUID) error {
	t.Helper()

	a, err := s.Remix(t.Context(), id, generation.Submission{UserID: owner}, true)
	if err != nil {
		return err
	}

	return s.note(a, "")
}

func (s *storm) note(a generation.Accepted, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	if key != "" {
		key = a.UserID.String() + key
		if earlier, ok := s.keys[key]; ok && earlier != a.ID {
			return fmt.Errorf("one key made %s and %s", earlier, a.ID)
		}

		s.keys[key] = a.ID
	}

	if _, ok := s.ids[a.ID]; !ok {
		s.ids[a.ID] = a.UserID
		s.known = append(s.known, a.ID)
	}

	return nil
}

// paid are the payments that may be taken back; each user has few, so that several events meet.
func payment(user uuid.UUID) string { return fmt.Sprintf("creem:%s:%d", user, rand.IntN(30)) }

func (s *storm) gift(t *testing.T, user uuid.UUID) error {
	t.Helper()

	g := credits.Grant{Source: credits.SourcePack, Reference: payment(user), Credits: 15}
	if rand.IntN(2) == 0 {
		until := s.now.Now().Add(2 * time.Minute)
		g = credits.Grant{Source: credits.SourcePromotion, Reference: "promo:" + uuid.NewString(), Credits: 15, ExpiresAt: &until}
	}

	return s.book(t, func(tx pgx.Tx) (err error) {
		if g.Subject, err = s.credits.Subject(t.Context(), tx, user); err == nil {
			_, err = s.credits.Grant(t.Context(), tx, g)
		}

		return err
	})
}

func (s *storm) takeBack(t *testing.T, user uuid.UUID) error {
	t.Helper()

	return s.book(t, func(tx pgx.Tx) error {
		subject, err := s.credits.Subject(t.Context(), tx, user)
		if err != nil {
			return err
		}

		return s.credits.ClawBack(t.Context(), tx, credits.ClawBack{
			Subject: subject, Reference: payment(user), Event: uuid.NewString(), Credits: 1 + rand.Int64N(15), Reason: credits.ReasonDispute,
		})
	})
}

// refund gives one credit back of what somebody's generation cost, as does another meanwhile.
func (s *storm) refund(t *testing.T) error {
	t.Helper()

	var id uuid.UUID

	err := s.pool.QueryRow(t.Context(), `select task_id from credit_hold where captured > refunded order by captured - refunded, task_id limit 1`).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNothingToRefund
	} else if err != nil {
		return err
	}

	err = s.book(t, func(tx pgx.Tx) error {
		_, err := s.credits.Refund(t.Context(), tx, credits.Refund{
			TaskID: id, Request: uuid.NewString(), Credits: 1, Actor: "ada", Reason: credits.ReasonQuality,
		})

		return err
	})
	if errors.Is(err, credits.ErrExceeds) {
		return errNothingToRefund
	}

	return err
}

func (s *storm) book(t *testing.T, do func(tx pgx.Tx) error) error {
	t.Helper()

	return pgx.BeginFunc(t.Context(), s.pool, do)
}
