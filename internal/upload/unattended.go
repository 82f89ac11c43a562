package upload

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/upload/db"
	"imagerun/queue"
)

// erasureRest is how long after the death of an erasure the next one is tried: it may have been a poison.
const erasureRest = 24 * time.Hour

// endUnattended ends an inspection that no job will end.
func (h eraser) endUnattended(ctx context.Context, id uuid.UUID) error {
	return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		u, err := h.db.UploadLock(ctx, tx, id)
		if err != nil {
			return fmt.Errorf("lock upload %s: %w", id, err)
		}

		if Status(u.Status) != StatusInspecting {
			return nil
		}

		kind := jobs.InspectUpload{}.Kind()

		unattended, err := h.Queue.FindUnattended(ctx, tx, kind, []string{jobKey(kind, id)}, 0)
		if err != nil || len(unattended) == 0 {
			return err
		}

		return h.endInspection(ctx, tx, id, ReasonFailed)
	})
}

// listStuck lists what is still being inspected long after that began. Its job may be gone: then it begins anew, and one that
// dies rejects the upload.
func (h purger) listStuck(ctx context.Context, tx pgx.Tx, after uuid.UUID) ([]uuid.UUID, error) {
	ids, err := h.db.UploadStuck(ctx, tx, db.UploadStuckParams{After: after, Now: h.Now(), Most: batch})

	return ids, fault.Wrap(err, "find uploads without an inspection")
}

// listLeft lists what is still here although it was deleted: its owner could have put it again then, or its job is gone.
func (h purger) listLeft(ctx context.Context, tx pgx.Tx, after uuid.UUID) ([]uuid.UUID, error) {
	ids, err := h.db.UploadLeft(ctx, tx, db.UploadLeftParams{After: after, PutBefore: h.Now().Add(-lastPut), Most: batch})

	return ids, fault.Wrap(err, "find deleted uploads")
}

// stageAnew stages the job of each upload that is listed, unless that lives, or died within rest.
func (h purger) stageAnew(ctx context.Context, list func(context.Context, pgx.Tx, uuid.UUID) ([]uuid.UUID, error), args func(uuid.UUID) queue.Args, rest time.Duration) error {
	for after, n := uuid.Nil, batch; n == batch; {
		err := postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
			ids, err := list(ctx, tx, after)
			if err != nil {
				return err
			}

			if n = len(ids); n > 0 {
				after = ids[n-1]
			}

			kind, keys := args(uuid.Nil).Kind(), make(map[string]uuid.UUID, n)
			for _, id := range ids {
				keys[jobKey(kind, id)] = id
			}

			unattended, err := h.Queue.FindUnattended(ctx, tx, kind, slices.Sorted(maps.Keys(keys)), rest)
			if err != nil {
				return err
			}

			for _, key := range unattended {
				if err := h.stageJob(ctx, tx, args(keys[key]), keys[key]); err != nil {
					return err
				}
			}

			return nil
		})
		if err != nil {
			return err
		}
	}

	return nil
}
