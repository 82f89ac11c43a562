package upload_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/upload"
	"imagerun/queue/durable"
)

// purge runs what the schedule stages.
func (b *bundle) purge(t *testing.T) {
	t.Helper()

	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, jobs.PurgeUploads{}, durable.Key("purge"))

		return err
	}))
	b.jobs.RunAll(t.Context())
}

func (b *bundle) exists(t *testing.T, id uuid.UUID) bool {
	t.Helper()

	return b.count(t, `select count(*) from upload where id = $1`, id) == 1
}

// generation makes one that refers to an upload.
func (b *bundle) generation(t *testing.T, id uuid.UUID) (task uuid.UUID) {
	t.Helper()

	_, err := b.refer(t, b.user, id)
	require.NoError(t, err)

	task = uuid.New()
	_, err = b.pool.Exec(t.Context(), `insert into ai_task (id, user_id, provider, model, catalogue_hash, prompt, parameters, support_code, deadline_at, reference_upload_id)
		values ($1, $2, 'fal', 'm', '', '', '{}', $3, now(), $4)`, task, b.user, task.String(), id)
	require.NoError(t, err)

	return task
}

// made has a provider make something of a generation.
func (b *bundle) made(t *testing.T, task uuid.UUID) uuid.UUID {
	t.Helper()
	b.end(t, task, "succeeded")
	b.attempt(t, task, "done", "")

	return task
}

func (b *bundle) end(t *testing.T, task uuid.UUID, status string) {
	t.Helper()

	_, err := b.pool.Exec(t.Context(), `update ai_task set status = $2, finished_at = now() where id = $1`, task, status)
	require.NoError(t, err)
}

// attempt makes one of a generation that its provider has, in a state and with what it failed with.
func (b *bundle) attempt(t *testing.T, task uuid.UUID, state, code string) {
	t.Helper()

	_, err := b.pool.Exec(t.Context(), `insert into provider_attempt (task_id, n, endpoint, request_id, state, error_code, finished_at)
		values ($1, (select count(*) + 1 from provider_attempt where task_id = $1), 'e', gen_random_uuid(), $2, nullif($3, ''),
			case $2 when 'submitted' then null else now() end)`, task, state, code)
	require.NoError(t, err)
}

func TestPurge(t *testing.T) {
	t.Parallel()

	body := pngOf(32, 32)

	t.Run("WhatWasNotFinished", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		empty, _ := b.create(t, "image/png", body)
		full := b.sent(t, "image/png", body)

		b.pass(t, time.Hour)
		b.purge(t)
		require.True(t, b.exists(t, empty.ID), "a request that began before the link ended may still arrive")

		b.pass(t, 16*time.Minute)
		b.purge(t)
		require.False(t, b.exists(t, empty.ID))
		require.False(t, b.exists(t, full.ID))
		b.check(t)
	})

	t.Run("WhatIsNotUsed", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		unused := b.inspected(t, "image/png", body)
		used := b.inspected(t, "image/png", body)
		rejected := b.inspected(t, "image/png", []byte("no picture"))
		first, second := b.made(t, b.generation(t, used.ID)), b.made(t, b.generation(t, used.ID))

		require.False(t, b.get(t, unused.ID).ExpiresAt.IsZero())
		require.True(t, b.get(t, used.ID).ExpiresAt.IsZero())

		b.pass(t, 23*time.Hour)
		b.purge(t)
		require.True(t, b.exists(t, unused.ID))

		b.pass(t, time.Hour+time.Minute)
		b.purge(t)
		require.False(t, b.exists(t, unused.ID))
		require.False(t, b.exists(t, rejected.ID))
		require.True(t, b.exists(t, used.ID))
		b.check(t)

		// One of two generations goes: the upload stays. The other goes: none needs it.
		_, err := b.pool.Exec(t.Context(), `delete from ai_task where id = $1`, first)
		require.NoError(t, err)
		b.purge(t)
		require.True(t, b.exists(t, used.ID))

		_, err = b.pool.Exec(t.Context(), `delete from ai_task where id = $1`, second)
		require.NoError(t, err)
		b.purge(t)
		require.False(t, b.exists(t, used.ID))
		b.check(t)
	})

	// A generation keeps its upload while it may start from it, and afterwards only if something was made.
	t.Run("WhatOnlyWaited", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		canceled, failed := b.inspected(t, "image/png", body), b.inspected(t, "image/png", body)
		tasks := []uuid.UUID{b.generation(t, canceled.ID), b.generation(t, failed.ID)}

		b.pass(t, 25*time.Hour)
		b.purge(t)
		require.True(t, b.get(t, canceled.ID).ExpiresAt.IsZero())
		require.True(t, b.get(t, failed.ID).ExpiresAt.IsZero())

		b.attempt(t, tasks[0], "abandoned", "")
		b.end(t, tasks[0], "canceled")
		b.attempt(t, tasks[1], "done", "provider_error")
		b.end(t, tasks[1], "failed")
		require.False(t, b.get(t, canceled.ID).ExpiresAt.IsZero())

		b.purge(t)
		require.False(t, b.exists(t, canceled.ID))
		require.False(t, b.exists(t, failed.ID))
		b.check(t)
	})

	t.Run("NotWhatIsReferredToAtTheMoment", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u := b.inspected(t, "image/png", body)
		b.pass(t, 25*time.Hour)

		require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
			_, err := b.UseReference(t.Context(), tx, b.user, u.ID)
			require.NoError(t, err)
			b.purge(t) // while the submit has not committed

			return nil
		}))
		b.purge(t)
		require.Equal(t, upload.StatusReady, b.get(t, u.ID).Status)
		require.Len(t, b.bucket.objects(t), 1)
	})

	t.Run("WhatWasPutAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u, ticket := b.create(t, "image/png", body)
		require.Equal(t, http.StatusOK, send(t, ticket.URL, "image/png", body))

		_, err := b.Complete(t.Context(), b.user, u.ID)
		require.NoError(t, err)
		b.jobs.RunAll(t.Context())

		require.Equal(t, http.StatusOK, send(t, ticket.URL, "image/png", body))
		require.Len(t, b.bucket.objects(t), 2)

		b.pass(t, 76*time.Minute)
		b.purge(t)
		require.Len(t, b.bucket.objects(t), 1)
		require.Equal(t, upload.StatusReady, b.get(t, u.ID).Status)
		b.check(t)
	})

	t.Run("WhatWasPutAgainBehindADeletion", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u, ticket := b.create(t, "image/png", body)
		require.Equal(t, http.StatusOK, send(t, ticket.URL, "image/png", body))
		require.NoError(t, b.Delete(t.Context(), b.user, u.ID))
		b.jobs.RunAll(t.Context())
		require.Empty(t, b.bucket.objects(t), "at once")
		require.True(t, b.exists(t, u.ID), "an object without a row cannot be")

		require.Equal(t, http.StatusOK, send(t, ticket.URL, "image/png", body))
		b.pass(t, 76*time.Minute)
		b.purge(t)
		require.False(t, b.exists(t, u.ID))
		b.check(t)
	})

	t.Run("InBatches", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.create(t, "image/png", body)

		_, err := b.pool.Exec(t.Context(), `insert into upload (id, user_id, promised_type, promised_bytes, raw_key, created_at, expires_at)
			select gen_random_uuid(), user_id, promised_type, promised_bytes, 'u/x/uploads/' || n, created_at, expires_at from upload, generate_series(1, 700) n`)
		require.NoError(t, err)

		b.pass(t, 2*time.Hour)
		b.purge(t)
		require.Zero(t, b.count(t, `select count(*) from upload`))
		b.check(t)
	})
}

func TestDelete(t *testing.T) {
	t.Parallel()

	body := pngOf(32, 32)

	t.Run("GoneAtOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u := b.inspected(t, "image/png", body)
		b.generation(t, u.ID)

		require.NoError(t, b.Delete(t.Context(), b.user, u.ID))
		require.NoError(t, b.Delete(t.Context(), b.user, u.ID), "the answer may have been lost")
		require.ErrorIs(t, b.Delete(t.Context(), uuid.New(), u.ID), upload.ErrNotFound)

		_, err := b.Get(t.Context(), b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrNotFound)
		_, err = b.refer(t, b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrNotFound, "a remix fails plainly")

		b.jobs.RunAll(t.Context())
		require.Empty(t, b.bucket.objects(t))
		b.pass(t, 2*time.Hour)
		b.purge(t)
		require.False(t, b.exists(t, u.ID))
		require.Equal(t, 1, b.count(t, `select count(*) from ai_task`))
	})

	t.Run("WaitsForItsInspection", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u := b.sent(t, "image/png", body)

		_, err := b.Complete(t.Context(), b.user, u.ID)
		require.NoError(t, err)
		b.bucket.fail(&b.bucket.before, "get")
		require.NoError(t, b.Delete(t.Context(), b.user, u.ID))
		b.jobs.RunAll(t.Context())
		require.Len(t, b.jobs.Pending(), 2, "the inspection is tried again, and the erasure waits for it")

		b.pass(t, 10*time.Second)
		b.pass(t, 10*time.Second)
		require.Empty(t, b.bucket.objects(t))

		b.pass(t, 2*time.Hour)
		b.purge(t)
		require.False(t, b.exists(t, u.ID))
	})

	t.Run("Everything", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.inspected(t, "image/png", body)
		b.sent(t, "image/png", body)

		require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
			n, err := b.DeleteAll(t.Context(), tx, b.user)
			require.Equal(t, 2, n)

			return err
		}))
		b.jobs.RunAll(t.Context())
		require.Empty(t, b.bucket.objects(t))
	})
}

// TestInspect_Failures has each call of the store fail, before it happened and after.
func TestInspect_Failures(t *testing.T) {
	t.Parallel()

	for _, method := range []string{"get", "put", "delete"} {
		for _, when := range []string{"before", "after"} {
			t.Run(method+" "+when, func(t *testing.T) {
				t.Parallel()

				b := setup(t)
				u := b.sent(t, "image/png", pngOf(32, 32))

				_, err := b.Complete(t.Context(), b.user, u.ID)
				require.NoError(t, err)

				hooks := map[string]*map[string]error{"before": &b.bucket.before, "after": &b.bucket.after}
				b.bucket.fail(hooks[when], method)
				b.jobs.RunAll(t.Context())
				require.Equal(t, upload.StatusInspecting, b.get(t, u.ID).Status)

				b.pass(t, 10*time.Second)
				require.Equal(t, upload.StatusReady, b.get(t, u.ID).Status)
				require.Len(t, b.bucket.objects(t), 1)
				b.check(t)
			})
		}
	}

	t.Run("for ever", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u := b.sent(t, "image/png", pngOf(32, 32))

		_, err := b.Complete(t.Context(), b.user, u.ID)
		require.NoError(t, err)

		for range 10 {
			b.bucket.fail(&b.bucket.before, "get")
			b.pass(t, 2*time.Minute)
		}

		u = b.get(t, u.ID)
		require.Equal(t, upload.StatusRejected, u.Status)
		require.Equal(t, upload.ReasonFailed, u.Reason)
		require.Len(t, b.jobs.Dead(), 1)

		b.pass(t, 2*time.Hour)
		b.purge(t)
		require.Empty(t, b.bucket.objects(t), "what was put goes all the same")
	})
}

func TestLink(t *testing.T) {
	t.Parallel()

	b := setup(t)
	u := b.inspected(t, "image/png", pngOf(32, 32))

	ref, err := b.refer(t, b.user, u.ID)
	require.NoError(t, err)
	require.Equal(t, upload.Reference{ID: u.ID, Width: 32, Height: 32, Key: ref.Key}, ref)

	link, err := b.Link(t.Context(), ref.Key, 10*time.Minute)
	require.NoError(t, err)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	require.NoError(t, err)

	reply, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	require.Equal(t, http.StatusOK, reply.StatusCode)
	require.Equal(t, "image/png", reply.Header.Get("Content-Type"))
	require.Contains(t, link, "X-Amz-Expires=601")
}
