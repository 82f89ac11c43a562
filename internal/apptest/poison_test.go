package apptest_test

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/jobs"
	"imagerun/internal/picture/picturetest"
	"imagerun/internal/simulators/falsim"
	"imagerun/queue"
)

// poisonWorld is a product in which the next job of a kind can be made a poison: one that has taken three workers down already.
type poisonWorld struct {
	*apptest.Product

	user *apptest.User
}

func startPoisonWorld(t *testing.T) *poisonWorld {
	t.Helper()

	w := &poisonWorld{Product: apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 1500 * time.Millisecond}})}
	w.exec(t, `create table poison (kind text primary key)`)
	w.exec(t, `create function poison() returns trigger language plpgsql security definer as $$ begin
			delete from poison where kind = new.kind;
			new.lost = case when found then 3 else 0 end;
			return new;
		end $$`)
	w.exec(t, `create trigger poison before insert on job for each row execute function poison()`)
	w.user = w.SignUp(t, "studio")

	return w
}

func (w *poisonWorld) exec(t *testing.T, sql string, args ...any) {
	t.Helper()

	_, err := w.Pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// until waits for a number to be zero.
func (w *poisonWorld) until(t *testing.T, sql string, args ...any) {
	t.Helper()
	require.Eventually(t, func() bool { return w.Count(t, sql, args...) == 0 }, 20*time.Second, 20*time.Millisecond, "%s\n%s", sql, w.Log)
}

// tick stages the job of a schedule as its tick does, and waits until it lives no more.
func (w *poisonWorld) tick(t *testing.T, kind string) {
	t.Helper()

	policy, _ := jobs.Kinds().Policy(kind)
	w.exec(t, `insert into job (kind, queue, args) values ($1, $2, '{}')`, kind, policy.Queue)
	w.until(t, `select count(*) from job where kind = $1 and state <> 'dead'`, kind)
}

// age lets days pass for what has died, and for what waits for the end of a time.
func (w *poisonWorld) age(t *testing.T) {
	t.Helper()
	w.exec(t, `update job set died_at = died_at - interval '2 days' where state = 'dead'`)
	w.exec(t, `update upload set created_at = created_at - interval '2 days', expires_at = expires_at - interval '2 days'`)
}

// dead is how many jobs of a kind died of being poison.
func (w *poisonWorld) dead(t *testing.T, kind string) int {
	t.Helper()

	return w.Count(t, `select count(*) from job where kind = $1 and state = 'dead' and error_code = 'poison'`, kind)
}

// poisoned is how a kind comes to be staged in the product, and how what it leaves behind when it dies comes to its end.
type poisoned struct {
	stage func(t *testing.T, w *poisonWorld)
	ends  func(t *testing.T, w *poisonWorld)
}

// TestPoison_NothingIsLeftForEver has a job of each kind die of having taken its workers down. Whatever it was about comes to its
// end all the same: by what the kind owes to its death, or by a purge. Then everything of the user can be deleted.
func TestPoison_NothingIsLeftForEver(t *testing.T) {
	t.Parallel()

	w := startPoisonWorld(t)
	cases := poisonCases()

	for _, p := range jobs.Kinds().Policies() { // one after the other: they are of one product
		kind := p.Args.Kind()
		t.Logf("%s dies", kind)

		c, ok := cases[kind]
		require.True(t, ok, "say how %s is staged, and how what it is about ends when it dies", kind)

		w.exec(t, `insert into poison (kind) values ($1)`, kind)
		c.stage(t, w)
		require.Eventually(t, func() bool { return w.dead(t, kind) == 1 }, 20*time.Second, 20*time.Millisecond, "%s does not die\n%s", kind, w.Log)
		c.ends(t, w)
		require.Equal(t, 1, w.dead(t, kind), "it is kept for an operator, and no other %s died", kind)
	}

	w.eraseUser(t)
	w.until(t, `select count(*) from job where state <> 'dead'`)
	w.CheckCredits(t)
}

// eraseUser deletes everything of the user, as they may, and waits until nothing is left.
func (w *poisonWorld) eraseUser(t *testing.T) {
	t.Helper()

	var page struct{ Data []struct{ ID string } }

	w.user.Do(t, http.MethodGet, "/v1/generations?limit=100", nil, &page)
	require.NotEmpty(t, page.Data)

	for _, g := range page.Data {
		require.Less(t, w.user.Do(t, http.MethodDelete, "/v1/generations/"+g.ID, nil, nil).StatusCode, 300)
	}

	w.exec(t, `update upload set deleted_at = now() where deleted_at is null`) // as the end of an account does
	w.age(t)
	w.tick(t, jobs.PurgeUploads{}.Kind())
	w.until(t, `select (select count(*) from ai_task) + (select count(*) from upload) + (select count(*) from provider_attempt)`)
	w.CheckObjects(t)
	require.Empty(t, bucketText(t, w.Product))
}

// poisonCases are the cases, by kind.
func poisonCases() map[string]poisoned {
	cases := generationPoison()
	maps.Copy(cases, uploadPoison())
	maps.Copy(cases, inboxPoison())
	maps.Copy(cases, paymentsPoison())

	tick := func(kind string) func(t *testing.T, w *poisonWorld) {
		return func(t *testing.T, w *poisonWorld) { t.Helper(); w.tick(t, kind) }
	}

	// Of what a clock stages the next tick does the work.
	for _, s := range jobs.Schedules() {
		kind := s.Args(time.Now()).Kind()
		cases[kind] = poisoned{stage: tick(kind), ends: tick(kind)}
	}

	// And where the clock is that of the release before, a tick of this one's.
	for former, now := range map[queue.Args]queue.Args{
		jobs.PurgeIdempotency{}: jobs.PurgeOften{}, jobs.PurgeAuth{}: jobs.PurgeHourly{},
		jobs.PurgeTombstones{}: jobs.PurgeHourly{}, jobs.PurgeJobAudit{}: jobs.PurgeDaily{},
	} {
		cases[former.Kind()] = poisoned{stage: tick(former.Kind()), ends: tick(now.Kind())}
	}

	return cases
}

func inboxPoison() map[string]poisoned {
	return map[string]poisoned{jobs.WorkInboxEvent{}.Kind(): {
		// No vendor sends any yet.
		stage: func(t *testing.T, w *poisonWorld) {
			t.Helper()
			w.exec(t, `with event as (
					insert into inbox_event (id, source, event_id, event_type, body) values (gen_random_uuid(), 'fake', 'evt', 'it.happened', '') returning id
				) insert into job (kind, queue, args) select 'inbox.work_event', 'generation', jsonb_build_object('event_id', id) from event`)
		},
		ends: func(t *testing.T, w *poisonWorld) {
			t.Helper()
			w.until(t, `select count(*) from inbox_event where state = 'received'`)
			require.Equal(t, 1, w.Count(t, `select count(*) from inbox_event where state = 'failed' and code = 'poison'`))
		},
	}}
}

func generationPoison() map[string]poisoned {
	submit := func(t *testing.T, w *poisonWorld) { t.Helper(); w.user.Submit(t, nil) }
	succeed := func(t *testing.T, w *poisonWorld) string {
		t.Helper()

		g := w.user.Await(t, w.user.Submit(t, nil).ID, 30*time.Second)
		require.Equal(t, "succeeded", g.Status)

		return g.ID
	}

	// The generation has ended and is paid back, and its attempt is over.
	failed := func(t *testing.T, w *poisonWorld) {
		t.Helper()
		w.until(t, `select count(*) from ai_task where finished_at is null`)
		w.until(t, `select count(*) from provider_attempt where finished_at is null or request_id is not null and erased_at is null`)
		w.CheckCredits(t)
	}

	purged := func(t *testing.T, w *poisonWorld) {
		t.Helper()
		w.age(t)
		w.tick(t, jobs.PurgeGenerations{}.Kind())
		failed(t, w)
		w.until(t, `select count(*) from ai_task where deleted_at is not null`)
	}

	return map[string]poisoned{
		jobs.SubmitGeneration{}.Kind():  {stage: submit, ends: failed},
		jobs.CollectGeneration{}.Kind(): {stage: submit, ends: failed},
		jobs.CancelAttempt{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) {
				t.Helper()

				// What its provider has when its deadline comes is called off.
				w.user.Submit(t, nil)
				w.until(t, `select count(*) from ai_task where status in ('queued', 'submitting')`)
				w.exec(t, `update ai_task set deadline_at = now() where finished_at is null`)
			},
			ends: purged,
		},
		jobs.EraseAttempt{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) { t.Helper(); succeed(t, w) },
			ends:  purged,
		},
		jobs.EraseGeneration{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.user.Do(t, http.MethodDelete, "/v1/generations/"+succeed(t, w), nil, nil)
			},
			ends: purged,
		},
	}
}

func uploadPoison() map[string]poisoned {
	upload := func(t *testing.T, w *poisonWorld) apptest.Upload {
		t.Helper()

		return w.user.Upload(t, "image/png", picturetest.PNG(picturetest.Gradient(64, 48)))
	}

	return map[string]poisoned{
		jobs.InspectUpload{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				require.Equal(t, "rejected", upload(t, w).Status)
			},
			ends: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.until(t, `select count(*) from upload where status = 'inspecting'`)
			},
		},
		jobs.EraseUpload{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.user.Do(t, http.MethodDelete, "/v1/uploads/"+upload(t, w).ID, nil, nil)
			},
			ends: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.age(t)
				w.tick(t, jobs.PurgeUploads{}.Kind())
				w.until(t, `select count(*) from upload where deleted_at is not null`)
			},
		},
	}
}
