package generations

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/cli"
	"imagerun/internal/cli/clitest"
	"imagerun/internal/credits"
	"imagerun/internal/publicid"
	"imagerun/internal/simulators/falsim"
)

// waiting is a generation that waits for its turn, and holds six credits.
func (b counter) waiting(code string) (id uuid.UUID) {
	b.T.Helper()

	id = uuid.New()
	b.Exec(b.Pool, `insert into generation_user (user_id) values ($1) on conflict do nothing`, b.User)
	b.Exec(b.Pool, `insert into ai_task (id, user_id, provider, status, model, catalogue_hash, prompt, parameters, support_code, deadline_at, prices)
		values ($1, $2, 'fal', 'queued', 'm', 'h', 'a red fox', '{}', $3, now() + interval '1 hour', '{"m": 2}')`, id, b.User, code)
	b.AddHold(id)

	return id
}

// running is one whose attempt its provider has, with the job that follows it.
func (b counter) running(code, request string) (id uuid.UUID) {
	b.T.Helper()

	id, attempt := b.waiting(code), uuid.New()
	b.Exec(b.Pool, `update ai_task set status = 'running', admitted_at = now() where id = $1`, id)
	b.Exec(b.Pool, `insert into provider_attempt (id, task_id, n, state, endpoint, request_id, sent_at)
		values ($1, $2, 1, 'submitted', 'fal-ai/flux/dev', $3, now())`, attempt, id, request)
	b.Exec(b.Pool, `insert into job (kind, queue, args, state, dedupe_key, run_at) values
		('generation.collect', 'generation', jsonb_build_object('attempt_id', $1::uuid), 'staged', 'generation.collect:' || $1::uuid, now() + interval '1 hour')`, attempt)

	return id
}

func (b counter) count(sql string, args ...any) (n int) {
	b.T.Helper()
	require.NoError(b.T, b.Pool.QueryRow(b.T.Context(), sql, args...).Scan(&n))

	return n
}

// TestCancel: an operator cancels what waits at once, by whatever name, and once for each request.
func TestCancel(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	id := b.waiting("4X9KQ-7M2AB")
	cancel := []string{"generations", "cancel", "4x9kq7m2ab", "--reason", "mistake", "--by", "ada", "--request", "ticket-1"}

	out := b.orders(0, append(cancel, "--dry-run")...)
	require.Contains(t, out, "a dry run: nothing was changed. This would be:\n"+cli.GenerationID(id)+" ended as canceled, and 6 credits returned\n")
	require.Equal(t, 1, b.count(`select count(*) from ai_task where status = 'queued'`))
	require.Zero(t, b.count(`select count(*) from job_audit`))
	b.RequireBalance(credits.Balance{Available: 4, Held: 6})

	out = b.orders(0, cancel...)
	require.Contains(t, out, "done, by request ticket-1:\n"+cli.GenerationID(id)+" ended as canceled, and 6 credits returned\n")
	require.Equal(t, 1, b.count(`select count(*) from ai_task where status = 'canceled' and failure_code = 'canceled_by_operator'`))
	require.Equal(t, 1, b.count(`select count(*) from job_audit
		where operator = 'ada' and action = 'cancel' and reason = 'mistake' and request = 'ticket-1' and about = $1 and jobs = 0`, id))
	b.RequireBalance(credits.Balance{Available: 10})

	sequence := b.count(`select status_sequence from ai_task`)

	for range 2 {
		out = b.orders(0, cancel...)
		require.Regexp(t, `request ticket-1 was carried out before, by ada on .*; nothing was changed:\n`+cli.GenerationID(id)+` is canceled\n`, out)
	}

	out = b.orders(0, "generations", "cancel", id.String(), "--reason", "other", "--by", "eve")
	require.Contains(t, out, "it was canceled before; nothing was changed:\n")

	require.Equal(t, sequence, b.count(`select status_sequence from ai_task`))
	require.Equal(t, 1, b.count(`select count(*) from job_audit`))
	b.RequireBalance(credits.Balance{Available: 10})

	require.Regexp(t, `ada orders a cancel \(mistake\), request ticket-1\n`, b.orders(0, "generations", "show", id.String()))
}

// What its provider has is asked to stop, and the job that follows it does that at once.
func TestCancel_OfWhatRuns(t *testing.T) {
	t.Parallel()

	const request = "764cabcf-b745-4b3e-ae38-1200304cf45b"

	b := atTheCounter(t)
	id := b.running("4X9KQ-7M2AB", request)
	asked := cli.GenerationID(id) + " is running, and asked to stop. Its provider decides: what it stops returns 6 credits, what it finishes is kept and paid for\n"
	cancel := []string{"generations", "cancel", request, "--reason", "mistake", "--by", "ada", "--request", "ticket-1"}

	require.Contains(t, b.orders(0, append(cancel, "--dry-run")...), asked)
	require.Zero(t, b.count(`select count(*) from ai_task where cancel_requested`))

	require.Contains(t, b.orders(0, cancel...), asked)
	require.Equal(t, 1, b.count(`select count(*) from ai_task where cancel_requested and operator_cancel and status = 'running'`))
	require.Equal(t, 1, b.count(`select count(*) from job where kind = 'generation.collect' and run_at <= now()`))
	require.Contains(t, b.orders(0, cancel...), "request ticket-1 was carried out before")
	b.RequireBalance(credits.Balance{Available: 4, Held: 6})

	out := b.orders(0, "generations", "show", id.String())
	require.Regexp(t, `status +running, asked to stop\n`, out)

	var got canceled
	require.NoError(t, json.Unmarshal([]byte(b.orders(0, "generations", "cancel", id.String(), "--reason", "other", "--by", "eve", "--request", "ticket-2", "--json")), &got))
	require.Equal(t, canceled{Request: "ticket-2", GenerationID: cli.GenerationID(id), Status: "running", Canceling: true, Held: 6}, got)
}

// One name is one decision, whatever it was; and nothing is canceled without one.
func TestCancel_Refuses(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	ended, _ := b.AddGeneration()
	id, other := b.waiting("22222-22222"), uuid.New()
	by := func(name, request string) []string {
		return []string{"generations", "cancel", name, "--reason", "mistake", "--by", "ada", "--request", request}
	}

	require.Contains(t, b.orders(1, by(ended.String(), "ticket-1")...), cli.GenerationID(ended)+" has ended, and not as canceled: nothing was changed")
	require.Contains(t, b.orders(1, by(other.String(), "ticket-1")...), "there is no generation "+other.String())
	require.Contains(t, b.orders(2, "generations", "cancel", id.String(), "--by", "ada"), "--reason: say why")
	require.Contains(t, b.orders(2, by("?", "ticket-1")...), "neither an id nor a support code")
	require.Contains(t, b.orders(2, by(id.String(), "a customer's name")...), "--request: must be")

	b.orders(0, "credits", "grant", b.User.String(), "5", "--reason", "goodwill", "--by", "ada", "--request", "ticket-1")
	require.Contains(t, b.orders(1, by(id.String(), "ticket-1")...), "request ticket-1 was used for something else, on ")
	require.Equal(t, 1, b.count(`select count(*) from ai_task where status = 'queued'`))

	b.orders(0, by(publicid.Format(publicid.PrefixGeneration, id), "ticket-2")...)
	require.Contains(t, b.orders(1, by(ended.String(), "ticket-2")...), "for a cancel of "+cli.GenerationID(id))
	require.Contains(t, b.orders(1, "credits", "grant", b.User.String(), "5", "--reason", "goodwill", "--by", "ada", "--request", "ticket-2"),
		"request ticket-2 was used for something else: for a cancel of "+cli.GenerationID(id))
	require.Equal(t, 1, b.count(`select count(*) from job_audit`))
}

// The domain is that of the configuration: its models and plans, not those that are built in.
func TestCancel_ReadsTheFiles(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	id := b.waiting("4X9KQ-7M2AB")
	cancel := []string{"generations", "cancel", id.String(), "--reason", "mistake", "--by", "ada", "--request", "ticket-1"}
	broken := filepath.Join(t.TempDir(), "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"nonsense": 1}`), 0o600))

	for _, variable := range []string{"IMAGERUN_GENERATION_CATALOGUE_PATH", "IMAGERUN_GENERATION_PLANS_PATH"} {
		out := b.ordersWith([]string{variable + "=" + broken}, 2, cancel...)
		require.Contains(t, out, "the configuration is not valid", variable)
		require.Contains(t, out, "nonsense", variable)
	}

	require.Equal(t, 1, b.count(`select count(*) from ai_task where status = 'queued'`))

	catalogue := filepath.Join("..", "..", "..", "internal", "generation", "catalogue", "catalogue.json")
	b.ordersWith([]string{"IMAGERUN_GENERATION_CATALOGUE_PATH=" + catalogue}, 0, cancel...)
	b.RequireBalance(credits.Balance{Available: 10})
}

// On the running product, what its provider works on is told to stop, and ends as the operator's.
func TestCancel_OnTheRunningProduct(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 20 * time.Second}})
	p.Fal.SetKnobs(func(k *falsim.Knobs) { k.CancelStops = true })

	u := p.SignUp(t, "")
	g := u.Submit(t, map[string]any{"model": "flux-dev"})
	require.Eventually(t, func() bool {
		return p.Count(t, `select count(*) from ai_task where status = 'running'`) == 1 && p.Fal.Stats().Running == 1
	}, 20*time.Second, 20*time.Millisecond)

	out := counter{clitest.Counter{T: t, URL: p.OperatorURL(t)}}.orders(0, "generations", "cancel", g.ID, "--reason", "other", "--by", "ada", "--request", "ticket-1")
	require.Contains(t, out, g.ID+" is running, and asked to stop")
	require.Equal(t, "canceled", u.Await(t, g.ID, 15*time.Second).Status)
	require.Equal(t, 1, p.Count(t, `select count(*) from ai_task where failure_code = 'canceled_by_operator'`))
	require.Zero(t, p.Count(t, `select count(*) from ledger_txn where kind = 'capture'`))
}
