package upload

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/upload/db"
	"imagerun/queue"
)

const (
	// lastPut is how long a request that began just before its link ended may take to arrive.
	lastPut = time.Hour
	// batch is how many uploads one transaction of the purge takes.
	batch = 500
)

// eraser deletes an upload that was marked deleted.
type eraser struct{ *Service }

// Handle deletes objects first and the row last; every step may be repeated. As long as its owner
// may put the file again, the row stays, so that what is put is not without one.
func (h eraser) Handle(ctx context.Context, job *queue.Job[jobs.EraseUpload]) error {
	id := job.Args.UploadID

	u, err := h.db.UploadFind(ctx, h.Pool, id)

	switch {
	case postgres.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read upload %s: %w", id, err)
	}

	if Status(u.Status) == StatusInspecting {
		if err := h.endUnattended(ctx, id); err != nil {
			return err
		}

		return job.Snooze() // it may put an object yet
	}

	keys := []string{u.RawKey}
	if u.Key != nil {
		keys = append(keys, *u.Key)
	}

	if err := h.Bucket.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("delete objects of upload %s: %w", id, err)
	}

	if h.Now().Before(u.ExpiresAt.Add(lastPut)) {
		return nil // the purge has it done again when the link has ended
	}

	return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if err := h.db.UploadDelete(ctx, tx, id); err != nil {
			return fmt.Errorf("delete upload %s: %w", id, err)
		}

		return job.Complete(ctx, tx)
	})
}

// purger finds what is not needed any more, and what no job sees to any more.
type purger struct{ *Service }

// Handle takes a batch at a time until there is none.
func (h purger) Handle(ctx context.Context, _ *queue.Job[jobs.PurgeUploads]) error {
	for _, step := range []func(context.Context) (int, error){h.purgeUnfinished, h.purgeUnneeded(), h.purgePutAgain} {
		for n := batch; n == batch; {
			var err error
			if n, err = step(ctx); err != nil {
				return err
			}
		}
	}

	if err := h.stageAnew(ctx, h.listStuck, func(id uuid.UUID) queue.Args { return jobs.InspectUpload{UploadID: id} }, 0); err != nil {
		return err
	}

	return h.stageAnew(ctx, h.listLeft, func(id uuid.UUID) queue.Args { return jobs.EraseUpload{UploadID: id} }, erasureRest)
}

// purgeUnfinished marks deleted what was never completed, and stages its erasure.
func (h purger) purgeUnfinished(ctx context.Context) (n int, err error) {
	now := h.Now()

	err = postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		ids, err := h.db.UploadMarkUnfinished(ctx, tx, db.UploadMarkUnfinishedParams{At: &now, PutBefore: now.Add(-lastPut), Most: batch})
		if err != nil {
			return fmt.Errorf("find unfinished uploads: %w", err)
		}

		n = len(ids)

		return h.discardMarked(ctx, tx, ids)
	})

	return n, err
}

// purgeUnneeded returns a step that marks deleted what is not needed any more, and stages its erasure: each
// call goes on where the one before ended.
func (h purger) purgeUnneeded() func(context.Context) (int, error) {
	var (
		neededAfter time.Time
		after       uuid.UUID
	)

	return func(ctx context.Context) (n int, err error) {
		now := h.Now()

		err = postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
			rows, err := h.db.UploadMarkUnneeded(ctx, tx, db.UploadMarkUnneededParams{
				At: &now, UnusedBefore: now.Add(-h.Options.KeepUnused), NeededAfter: neededAfter, After: after, Most: batch,
			})
			if err != nil {
				return fmt.Errorf("find unneeded uploads: %w", err)
			}

			ids := make([]uuid.UUID, len(rows))
			for i, r := range rows {
				ids[i] = r.ID

				if c := r.NeededAt.Compare(neededAfter); c > 0 || c == 0 && bytes.Compare(r.ID[:], after[:]) > 0 {
					neededAfter, after = r.NeededAt, r.ID
				}
			}

			n = len(ids)

			return h.discardMarked(ctx, tx, ids)
		})

		return n, err
	}
}

// discardMarked stages the erasure of what was marked deleted just now.
func (h purger) discardMarked(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) error {
	tx.AfterCommit(func() { h.metrics.purged.Add(float64(len(ids))) })

	return h.stageErasures(ctx, tx, ids)
}

// purgePutAgain deletes for the last time what may have been put behind the inspection.
func (h purger) purgePutAgain(ctx context.Context) (int, error) {
	now := h.Now()

	rows, err := h.db.UploadRawDue(ctx, h.Pool, db.UploadRawDueParams{PutBefore: now.Add(-lastPut), Most: batch})
	if err != nil || len(rows) == 0 {
		return 0, fault.Wrap(err, "find raw objects")
	}

	ids, keys := make([]uuid.UUID, len(rows)), make([]string, len(rows))
	for i, r := range rows {
		ids[i], keys[i] = r.ID, r.RawKey
	}

	if err := h.Bucket.Delete(ctx, keys...); err != nil {
		return 0, fmt.Errorf("delete raw objects: %w", err)
	}

	err = h.db.UploadRawDeleted(ctx, h.Pool, db.UploadRawDeletedParams{Ids: ids, At: &now})

	return len(rows), fault.Wrap(err, "mark raw objects deleted")
}
