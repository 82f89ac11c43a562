package generation_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

// device is one of a user's: it sees what it is sent, over connections that break.
type device struct {
	first, seen int64
	began       bool
	numbers     []int64
	now         map[uuid.UUID]generation.Status // of what it knows; "" when deleted
}

// connect begins or goes on as the stream does, and looks a few times.
func (d *device) connect(ctx context.Context, b *bundle, looks int) error {
	if !d.began {
		o, err := b.Overview(ctx, b.user, nil)
		if err != nil {
			return err
		}

		d.began, d.first, d.seen = true, o.Number, o.Number
		d.now = map[uuid.UUID]generation.Status{}

		for _, g := range o.Generations {
			d.now[g.ID] = g.Status
		}
	} else if ok, err := b.Resumable(ctx, b.user, d.seen); err != nil || !ok {
		return err
	}

	for range looks {
		changes, err := b.Changes(ctx, b.user, d.seen, nil)
		if err != nil {
			return err
		}

		for _, c := range changes {
			d.numbers = append(d.numbers, c.Number)
			d.seen, d.now[c.GenerationID] = c.Number, c.Status
		}
	}

	return nil
}

// Whatever happens at once to many generations of one user, each device sees all of it once and in
// one order, however often its connection breaks.
func TestChanges_NoGapNoRepeat(t *testing.T) {
	t.Parallel()

	for name, deletes := range map[string]bool{"Working": false, "Deleting": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			devices := make([]*device, 4)

			var working, watching sync.WaitGroup

			over := make(chan struct{})

			for i := range devices {
				devices[i] = &device{}

				watching.Go(func() {
					for done := false; !done; {
						select {
						case <-over:
							done = true
						default:
						}

						if err := devices[i].connect(t.Context(), b, 1+rand.IntN(5)); err != nil {
							t.Error(err)

							return
						}
					}

					if err := devices[i].connect(t.Context(), b, 10); err != nil {
						t.Error(err)
					}
				})
			}

			for range 6 {
				working.Go(func() { act(t, b, deletes) })
			}

			working.Go(func() { work(t, b, !deletes) })
			working.Wait()
			close(over)
			watching.Wait()

			settled(t, b, devices)
		})
	}
}

// act is one tab in which somebody is busy.
func act(t *testing.T, b *bundle, deletes bool) {
	t.Helper()

	for range 12 {
		s := generation.Submission{UserID: b.user}
		s.Model, s.Prompt = "flux-dev", personal("a red fox")

		g, err := b.Submit(t.Context(), s)
		if err != nil {
			t.Error(err)

			return
		}

		if rand.IntN(2) == 0 {
			_, err = b.Cancel(t.Context(), b.user, g.ID)
		} else if deletes {
			err = b.Delete(t.Context(), b.user, g.ID)
		} else {
			_, err = b.SetFavourite(t.Context(), b.user, g.ID, true)
		}

		if err != nil {
			t.Error(err)
		}
	}
}

// work admits, and where wanted has what was admitted made.
func work(t *testing.T, b *bundle, jobs bool) {
	t.Helper()

	finished := 0

	for range 20 {
		if _, err := b.Admit(t.Context(), "fal"); err != nil {
			t.Error(err)

			return
		}

		if !jobs {
			continue
		}

		b.jobs.RunAll(t.Context())

		b.provider.mu.Lock()
		sent := len(b.provider.requests)
		b.provider.mu.Unlock()

		for ; finished < sent; finished++ {
			b.provider.finish(t, finished)
		}

		b.pass(t, 31*time.Second)
	}
}

// settled compares what the devices know with what is so.
func settled(t *testing.T, b *bundle, devices []*device) {
	t.Helper()

	rows, err := b.pool.Query(t.Context(), `
		select e.user_sequence, e.task_id, e.status, d.task_id is not null, t.status from generation_event e join ai_task t on t.id = e.task_id
			left join generation_tombstone d on d.task_id = e.task_id
		union all select user_sequence, task_id, '', false, '' from generation_tombstone order by 1`)
	require.NoError(t, err)

	type event struct {
		id     uuid.UUID
		hidden bool
		now    generation.Status
	}

	var all []event

	for rows.Next() {
		var (
			n           int64
			e           event
			status, now string
		)

		require.NoError(t, rows.Scan(&n, &e.id, &status, &e.hidden, &now))
		require.EqualValues(t, len(all)+1, n, "numbers have no gap")

		e.now = generation.Status(now)
		all = append(all, e)
	}

	require.NoError(t, rows.Err())
	require.Greater(t, len(all), 100)

	for _, d := range devices {
		seen := make(map[int64]bool, len(d.numbers))
		last := d.first

		for _, n := range d.numbers {
			require.Greater(t, n, last, "in order, and once")
			last, seen[n] = n, true
		}

		for i, e := range all {
			if n := int64(i + 1); n > d.first && !e.hidden {
				require.True(t, seen[n], "event %d was not seen", n)
				require.Equal(t, e.now, d.now[e.id], "what it is in the end")
			}
		}
	}
}

func TestChanges_OfAnotherUser(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.submit(t)

	changes, err := b.Changes(t.Context(), uuid.New(), 0, nil)
	require.NoError(t, err)
	require.Empty(t, changes)

	o, err := b.Overview(t.Context(), uuid.New(), nil)
	require.NoError(t, err)
	require.Equal(t, generation.Overview{Generations: []generation.Generation{}}, o)

	ok, err := b.Resumable(t.Context(), uuid.New(), 0)
	require.NoError(t, err)
	require.False(t, ok)
}

func TestChanges_PagesAndNewest(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t, images(2))
	b.provider.finish(t, 0)
	b.pass(t, 31*time.Second)

	changes, err := b.Changes(t.Context(), b.user, 0, nil)
	require.NoError(t, err)

	for i, c := range changes {
		require.Equal(t, g.ID, c.GenerationID)
		require.EqualValues(t, i+1, c.Sequence)
		require.Equal(t, i == len(changes)-1, c.Generation != nil, "beside the newest change")
	}

	require.Equal(t, generation.StatusSucceeded, changes[len(changes)-1].Generation.Status)

	// Of what was deleted, nothing but that.
	require.NoError(t, b.Delete(t.Context(), b.user, g.ID))

	changes, err = b.Changes(t.Context(), b.user, 0, nil)
	require.NoError(t, err)
	require.Len(t, changes, 1)
	require.True(t, changes[0].Deleted)
	require.Equal(t, g.ID, changes[0].GenerationID)
	require.Empty(t, changes[0].Status)
}

// Submits, changes, deletions, admission over many users, and the purge that forgets deletions lock
// rows of users, each in its own way. Were two of them to wait for each other, Postgres would end one
// of them with an error.
func TestLocks_NobodyWaitsInACircle(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 1000 })

	users := make([]uuid.UUID, 5)
	for i := range users {
		users[i] = uuid.New()
		b.fund(t, users[i], fortune)
	}

	var busy, meanwhile sync.WaitGroup

	over := make(chan struct{})
	until := func(do func() error) {
		for done := false; !done; {
			select {
			case <-over:
				done = true
			default:
			}

			if err := do(); err != nil {
				t.Error(err)
			}
		}
	}

	for range 6 {
		busy.Go(func() {
			for range 25 {
				user := users[rand.IntN(len(users))]
				s := generation.Submission{UserID: user}
				s.Model, s.Prompt = "flux-dev", personal("x")

				g, err := b.Submit(t.Context(), s)
				if err == nil {
					err = b.Delete(t.Context(), user, g.ID)
				}

				if err != nil {
					t.Error(err)
				}
			}
		})
	}

	meanwhile.Go(func() {
		until(func() error {
			_, err := b.Admit(t.Context(), "fal")

			return err
		})
	})

	for range 2 {
		meanwhile.Go(func() {
			until(func() error {
				_, err := b.ForgetDeletions(t.Context(), b.now.Now().Add(time.Hour), 100)

				return err
			})
		})
	}

	busy.Wait()
	close(over)
	meanwhile.Wait()

	var last, floor int64

	require.NoError(t, b.pool.QueryRow(t.Context(), `select sum(event_sequence), sum(event_floor) from generation_user`).Scan(&last, &floor))
	require.EqualValues(t, 6*25*3, last, "accepted, canceled, deleted")
	require.Equal(t, last, floor, "each user's last event was a deletion, and is forgotten")
}

// Labels narrow what is watched, and leave the numbers as they are: who breaks off anywhere goes on from there.
