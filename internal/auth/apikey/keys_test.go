package apikey_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/clock"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/fault"
	"imagerun/internal/redact"
)

func TestMain(m *testing.M) { devtest.Main(m) }

var readWrite = []auth.Scope{auth.ScopeGenerationsWrite, auth.ScopeGenerationsRead}

// bundle is a database with a user, and keys in it at a time that the test moves.
type bundle struct {
	owner *pgxpool.Pool
	app   *flakyDB
	keys  *apikey.Keys
	user  uuid.UUID
	now   time.Time
}

func setup(t *testing.T) *bundle {
	t.Helper()

	appURL, _, ownerURL := devtest.PostgresURLs(t)
	b := &bundle{
		owner: devtest.Pool(t, ownerURL),
		app:   &flakyDB{Pool: devtest.Pool(t, appURL)},
		now:   clock.System(),
	}
	b.keys = apikey.New(b.app, apikey.Options{Now: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler)})
	b.user = b.newUser(t, "ada@example.com")

	return b
}

func (b *bundle) newUser(t *testing.T, email string) (id uuid.UUID) {
	t.Helper()

	err := b.owner.QueryRow(t.Context(), `insert into auth."user" ("name", "email", "emailVerified") values ('', $1, true) returning "id"`, email).Scan(&id)
	require.NoError(t, err)

	return id
}

func (b *bundle) create(t *testing.T, expires *time.Time) (apikey.Key, redact.Secret) {
	t.Helper()

	key, plain, err := b.keys.Create(t.Context(), b.user, "build server", readWrite, expires)
	require.NoError(t, err)

	return key, plain
}

func (b *bundle) refused(t *testing.T, plain redact.Secret) {
	t.Helper()

	p, err := b.keys.Authenticate(t.Context(), plain)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
	require.Nil(t, p)
}

// list returns the user's only key as a list shows it.
func (b *bundle) only(t *testing.T) apikey.Key {
	t.Helper()

	list, err := b.keys.List(t.Context(), b.user)
	require.NoError(t, err)
	require.Len(t, list, 1)

	return list[0]
}

// flush runs the writer of last uses for as long as it takes to end.
func (b *bundle) flush(t *testing.T) {
	t.Helper()

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	b.keys.Run(ended)
}

// flakyDB is a pool that can do what it is asked and then say that it failed, or fail at once.
type flakyDB struct {
	*pgxpool.Pool

	failBefore, failAfter bool
	asked                 int
}

var errFlaky = errors.New("the connection broke")

func (f *flakyDB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	f.asked++

	if f.failBefore {
		return pgconn.CommandTag{}, errFlaky
	}

	tag, err := f.Pool.Exec(ctx, sql, args...)
	if f.failAfter {
		return pgconn.CommandTag{}, errFlaky
	}

	return tag, err
}

func TestKeys_Life(t *testing.T) {
	t.Parallel()

	b := setup(t)
	key, plain := b.create(t, nil)

	p, err := b.keys.Authenticate(t.Context(), plain)
	require.NoError(t, err)
	require.Equal(t, &auth.Principal{
		UserID: b.user, Method: auth.MethodAPIKey, KeyID: key.ID,
		Scopes: []auth.Scope{auth.ScopeGenerationsRead, auth.ScopeGenerationsWrite},
	}, p)

	require.Equal(t, key, b.only(t), "a list shows what creation showed")

	// The secret is nowhere: not in the row as text, and not in what is printed.
	var row string

	require.NoError(t, b.owner.QueryRow(t.Context(), `select k::text from api_key k`).Scan(&row))

	secret := plain.Reveal()[strings.LastIndexByte(plain.Reveal(), '_')+1:]
	require.NotContains(t, row, secret[:8])
	require.Equal(t, redact.Mask, plain.String())

	require.NoError(t, b.keys.Revoke(t.Context(), b.user, key.ID))
	require.NoError(t, b.keys.Revoke(t.Context(), b.user, key.ID), "again")
	b.refused(t, plain)

	list, err := b.keys.List(t.Context(), b.user)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestKeys_Authenticate_Refuses(t *testing.T) {
	t.Parallel()

	t.Run("Expired", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		expires := b.now.Add(time.Hour)
		_, plain := b.create(t, &expires)

		b.now = expires.Add(-time.Microsecond)
		_, err := b.keys.Authenticate(t.Context(), plain)
		require.NoError(t, err)

		b.now = expires
		b.refused(t, plain)
		require.Equal(t, &expires, b.only(t).ExpiresAt, "an expired key is still listed")
	})

	t.Run("WhileBanned", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		_, plain := b.create(t, nil)

		_, err := b.owner.Exec(t.Context(), `update auth."user" set "banned" = true`)
		require.NoError(t, err)
		b.refused(t, plain)

		_, err = b.owner.Exec(t.Context(), `update auth."user" set "banExpires" = $1`, b.now.Add(time.Hour))
		require.NoError(t, err)
		b.refused(t, plain)

		b.now = b.now.Add(time.Hour)
		_, err = b.keys.Authenticate(t.Context(), plain)
		require.NoError(t, err)
	})

	t.Run("WithoutUser", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		_, plain := b.create(t, nil)

		_, err := b.owner.Exec(t.Context(), `delete from auth."user"`)
		require.NoError(t, err)
		b.refused(t, plain)
	})

	t.Run("SecretOfAnotherKey", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		_, first := b.create(t, nil)
		_, second := b.create(t, nil)

		// As if the ids had been swapped in the table: everything fits but the secret.
		_, err := b.owner.Exec(t.Context(), `update api_key set secret_hash = (select o.secret_hash from api_key o where o.id <> api_key.id)`)
		require.NoError(t, err)
		b.refused(t, first)
		b.refused(t, second)
	})

	t.Run("MalformedWithoutAsking", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		_, plain := b.create(t, nil)
		b.app.Pool.Close() // a query would now be another error

		b.refused(t, redact.NewSecret(plain.Reveal()+"x"))
		b.refused(t, redact.NewSecret("sk_live_"))

		_, err := b.keys.Authenticate(t.Context(), plain)
		require.Error(t, err)
		require.NotErrorIs(t, err, auth.ErrUnauthenticated)
	})
}

func TestKeys_Revoke_OnlyOnesOwn(t *testing.T) {
	t.Parallel()

	b := setup(t)
	key, plain := b.create(t, nil)
	other := b.newUser(t, "bob@example.com")

	require.ErrorIs(t, b.keys.Revoke(t.Context(), other, key.ID), apikey.ErrNotFound)
	require.ErrorIs(t, b.keys.Revoke(t.Context(), b.user, uuid.New()), apikey.ErrNotFound)

	_, err := b.keys.Authenticate(t.Context(), plain)
	require.NoError(t, err)

	list, err := b.keys.List(t.Context(), other)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestKeys_Create_Refuses(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for name, tc := range map[string]struct {
		name    string
		scopes  []auth.Scope
		expires time.Time
		want    string // the field
	}{
		"NoName":       {" ", readWrite, b.now.Add(time.Hour), "#/name"},
		"LongName":     {strings.Repeat("ü", 81), readWrite, b.now.Add(time.Hour), "#/name"},
		"NULName":      {"a\x00b", readWrite, b.now.Add(time.Hour), "#/name"},
		"NoScope":      {"x", nil, b.now.Add(time.Hour), "#/scopes"},
		"UnknownScope": {"x", []auth.Scope{auth.ScopeGenerationsRead, "all"}, b.now.Add(time.Hour), "#/scopes/1"},
		"KeysOfKeys":   {"x", []auth.Scope{auth.ScopeAPIKeys}, b.now.Add(time.Hour), "#/scopes/0"},
		"Past":         {"x", readWrite, b.now, "#/expires_at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, plain, err := b.keys.Create(t.Context(), b.user, tc.name, tc.scopes, &tc.expires)
			require.ErrorIs(t, err, apikey.ErrInvalid)
			require.True(t, plain.IsZero())

			fields := fault.Of(err).Fields
			require.Len(t, fields, 1)
			require.Equal(t, tc.want, fields[0].Pointer)
		})
	}

	t.Cleanup(func() {
		list, err := b.keys.List(context.WithoutCancel(t.Context()), b.user)
		require.NoError(t, err)
		require.Empty(t, list, "no key was left behind")
	})
}

func TestKeys_Create_LimitHoldsInARace(t *testing.T) {
	t.Parallel()

	b := setup(t)
	soon := b.now.Add(time.Minute)
	first, _ := b.create(t, &soon)

	for range apikey.MaxLive - 2 {
		b.create(t, nil)
	}

	var (
		wg   sync.WaitGroup
		errs = make([]error, 8)
	)

	for i := range errs {
		wg.Go(func() {
			_, _, errs[i] = b.keys.Create(t.Context(), b.user, "one more", readWrite, nil)
		})
	}

	wg.Wait()

	made := 0

	for _, err := range errs {
		if err == nil {
			made++
		} else {
			require.ErrorIs(t, err, apikey.ErrTooMany)
		}
	}

	require.Equal(t, 1, made)

	b.now = soon // the first has expired and makes room
	b.create(t, nil)

	list, err := b.keys.List(t.Context(), b.user)
	require.NoError(t, err)
	require.Len(t, list, apikey.MaxLive+1)
	require.Equal(t, first.ID, list[len(list)-1].ID, "what works comes first")
}
