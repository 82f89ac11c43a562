package durable

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable/db"
)

// StageOption changes how one job is staged.
type StageOption func(*stageOptions)

// stageOptions are what a caller wants of a job. The zero key, delay and time: none.
type stageOptions struct {
	key   *string
	delay time.Duration
	at    *time.Time
}

// Key makes the job the only live one of its kind with this key: staging it again while it is
// queued or runs returns the live job's id. The key holds ids and nothing else.
func Key(key string) StageOption {
	return func(s *stageOptions) { s.key = &key }
}

// After has the job run no sooner than d from now, by the database's clock.
func After(d time.Duration) StageOption {
	return func(s *stageOptions) { s.delay = d }
}

// At has the job run no sooner than t.
func At(t time.Time) StageOption {
	return func(s *stageOptions) { s.at = &t }
}

// Stage writes a job in the caller's transaction: it exists if and only if tx commits. It is the
// only way in. When tx is a [queue.AfterCommitter], as postgres.InTx's is, the job is pushed
// right after the commit and off the caller's path; otherwise the relay finds it. When tx offers Keep, a job
// without a [Key] costs no round trip: its row goes out with the transaction's next statement, or with its
// commit, and an error of it comes from there.
//
// Stage returns the id of the job, or of the live job that has the same [Key].
func (q *Queue) Stage(ctx context.Context, tx pgx.Tx, args queue.Args, opts ...StageOption) (uuid.UUID, error) {
	id, _, err := q.stageJob(ctx, tx, args, opts...)

	return id, err
}

// stageJob is Stage, and says whether the job is new.
func (q *Queue) stageJob(ctx context.Context, tx pgx.Tx, args queue.Args, opts ...StageOption) (_ uuid.UUID, fresh bool, _ error) {
	kind := args.Kind()

	policy, ok := q.kinds.Policy(kind)
	if !ok {
		return uuid.Nil, false, fmt.Errorf("stage %s: kind is not in the table of kinds", kind)
	}

	data, err := json.Marshal(args)
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("stage %s: %w", kind, err)
	}

	// Ids that rise with time keep the primary key's pages together.
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("stage %s: %w", kind, err)
	}

	var how stageOptions
	for _, o := range opts {
		o(&how)
	}

	staged, dueIn := id, how.delay
	if how.at != nil {
		dueIn = time.Until(*how.at)
	}

	if how.key == nil {
		err = q.db.JobInsert(ctx, keepStatements(tx, nil), db.JobInsertParams{
			ID: id, Kind: kind, Queue: policy.Queue, Args: data, RunAt: how.at, Delay: how.delay.Seconds(),
		})
	} else {
		p := db.JobStageParams{
			ID: id, Kind: kind, Queue: policy.Queue, Args: data, DedupeKey: *how.key, RunAt: how.at, Delay: how.delay.Seconds(),
		}
		staged, err = q.stageKeyed(ctx, tx, p, policy.Aliases)
	}

	if err != nil {
		return uuid.Nil, false, fmt.Errorf("stage %s: %w", kind, err)
	}

	if staged == id {
		q.metrics.countEvent(kind, policy.Queue, eventStaged)
		q.afterCommit(tx, q.newPush(Task{ID: id, Epoch: 1, Queue: policy.Queue, Kind: kind}, dueIn), false)
	}

	return staged, staged == id, nil
}

// stageKeyed writes a job, unless one of its kind and key lives, by whatever name the kind had then.
func (q *Queue) stageKeyed(ctx context.Context, tx pgx.Tx, p db.JobStageParams, aliases []string) (uuid.UUID, error) {
	if len(aliases) == 0 {
		return q.db.JobStage(ctx, tx, p)
	}

	return q.db.JobStageRenamed(ctx, tx, db.JobStageRenamedParams{
		Aliases: aliases, ID: p.ID, Kind: p.Kind, Queue: p.Queue, Args: p.Args, DedupeKey: p.DedupeKey, RunAt: p.RunAt, Delay: p.Delay,
	})
}

// Wake has the live job of this kind and key run now, once tx has committed; if it is running, then
// as soon as it snoozes or fails, whatever that would have had it wait. The run sees what tx wrote. Without such a job Wake does nothing.
// It locks the job: behind the row of the domain that the job is about, or alone in its transaction.
func (q *Queue) Wake(ctx context.Context, tx pgx.Tx, kind, key string) error {
	policy, ok := q.kinds.Policy(kind)
	if !ok {
		return fmt.Errorf("wake %s: kind is not in the table of kinds", kind)
	}

	rows, err := q.db.JobWake(ctx, tx, db.JobWakeParams{Kinds: policy.Names(), DedupeKey: &key})
	if err != nil {
		return fmt.Errorf("wake %s: %w", kind, err)
	}

	for _, r := range rows {
		if r.State == stateStaged {
			q.afterCommit(tx, q.newPush(Task{ID: r.ID, Epoch: r.Epoch, Queue: r.Queue, Kind: r.Kind}, fromSeconds(r.DueIn)), true)
		}
	}

	return nil
}

// afterCommit hands a push to the background if tx commits and can tell.
func (q *Queue) afterCommit(tx pgx.Tx, p Push, replaces bool) {
	if q.pusher == nil || q.staysStaged(p) {
		return
	}

	queue.AfterCommit(tx, func() { q.offerPush(p, replaces) })
}

// offerPush leaves a push to the background, or to the relay when there is too much of it.
func (q *Queue) offerPush(p Push, replaces bool) {
	if q.pusher == nil || q.staysStaged(p) || !q.carrying.Load() {
		return
	}

	if b := q.pushes[p.Queue]; b != nil {
		b.Add(pendingPush{Push: p, replaces: replaces})
	}
}

// staysStaged reports whether a job is due so late that it stays staged for now.
func (q *Queue) staysStaged(p Push) bool { return time.Until(p.RunAt) > q.timing.Ahead }
