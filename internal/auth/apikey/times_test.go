package apikey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/apikey"
	"imagerun/internal/clock"
)

func TestKeys_LastUsed(t *testing.T) {
	t.Parallel()

	b := setup(t)
	_, plain := b.create(t, nil)
	use := func() {
		_, err := b.keys.Authenticate(t.Context(), plain)
		require.NoError(t, err)
	}

	use()
	require.Nil(t, b.only(t).LastUsedAt, "not on the request's path")
	b.flush(t)

	first := b.now
	require.Equal(t, &first, b.only(t).LastUsedAt)

	b.now = first.Add(59 * time.Second)
	asked := b.app.asked

	use()
	b.flush(t)
	require.Equal(t, asked, b.app.asked, "at most once a minute")
	require.Equal(t, &first, b.only(t).LastUsedAt)

	b.now = first.Add(time.Minute)
	use()

	b.app.failBefore = true // it failed and did not happen
	b.flush(t)
	require.Equal(t, &first, b.only(t).LastUsedAt)

	b.app.failBefore, b.app.failAfter = false, true // it failed but did happen
	b.flush(t)
	require.Equal(t, first.Add(time.Minute), *b.only(t).LastUsedAt)

	b.app.failAfter = false
	b.flush(t)
	require.Equal(t, first.Add(time.Minute), *b.only(t).LastUsedAt)
}

// What is stored can be shown: the bound holds in the domain and in the schema, and a key from before there was
// one can still be revoked.
func TestKeys_ExpiryThatCannotBeShown(t *testing.T) {
	t.Parallel()

	b := setup(t)
	edge := clock.Latest()

	for _, late := range []time.Time{edge, time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -14*60*60))} {
		_, _, err := b.keys.Create(t.Context(), b.user, "build server", readWrite, &late)
		require.ErrorIs(t, err, apikey.ErrInvalid, late)
	}

	key, _ := b.create(t, new(edge.Add(-time.Microsecond)))
	store := func() error {
		_, err := b.owner.Exec(t.Context(), `update api_key set expires_at = '10000-01-01 13:59:59+00' where id = $1`, key.ID)

		return err
	}
	require.ErrorContains(t, store(), "later than can be shown")

	_, err := b.owner.Exec(t.Context(), `alter table api_key disable trigger api_key_expiry`)
	require.NoError(t, err)
	require.NoError(t, store())
	_, err = b.owner.Exec(t.Context(), `alter table api_key enable trigger api_key_expiry`)
	require.NoError(t, err)

	require.Equal(t, key.ID, b.only(t).ID)
	require.NoError(t, b.keys.Revoke(t.Context(), b.user, key.ID))
}
