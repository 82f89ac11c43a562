package history

import (
	"context"
	"fmt"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/postgres"
	"imagerun/internal/storage"
)

// Objects are the images and thumbnails as the sweep of the bucket sees them.
type Objects struct {
	pool *pgxpool.Pool
	db   *db.Queries
	now  clock.Now
}

// NewObjects returns them. It dials nothing.
func NewObjects(pool *pgxpool.Pool, now clock.Now) *Objects {
	return &Objects{pool: pool, db: db.New(), now: now}
}

var objectKey = regexp.MustCompile(`^u/[^/]+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[^/]+$`)

// Name names the table in reports.
func (*Objects) Name() string { return "ai_image" }

// Owns reports whether a key has the form of an image's.
func (*Objects) Owns(key string) bool { return objectKey.MatchString(key) }

// Page returns at most limit records whose keys come after one. A stored image of a generation
// that is not being deleted needs its objects; while a generation runs, or its erasure does, they
// may be there; those of blocked, failed and unwanted images may not.
func (o *Objects) Page(ctx context.Context, after string, limit int) ([]storage.Record, error) {
	rows, err := o.db.ObjectPage(ctx, o.pool, db.ObjectPageParams{After: after, Most: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("page images: %w", err)
	}

	records := make([]storage.Record, len(rows))
	for i, r := range rows {
		records[i] = storage.Record{Key: r.Key, ID: r.ID, Need: storage.Need(r.Need), Lost: r.Lost}
	}

	return records, nil
}

// Find returns the records that name any of the keys.
func (o *Objects) Find(ctx context.Context, keys []string) ([]storage.Record, error) {
	rows, err := o.db.ObjectFind(ctx, o.pool, keys)
	if err != nil {
		return nil, fmt.Errorf("find images: %w", err)
	}

	asked := make(map[string]bool, len(keys))
	for _, key := range keys {
		asked[key] = true
	}

	var records []storage.Record

	for _, r := range rows {
		for _, record := range []storage.Record{
			{Key: r.Key, ID: r.ID, Need: storage.Need(r.Need), Lost: r.Lost},
			{Key: r.ThumbnailKey, ID: r.ID, Need: storage.Need(r.Need), Lost: r.ThumbnailLost},
		} {
			if asked[record.Key] {
				records = append(records, record)
			}
		}
	}

	return records, nil
}

// Mark writes down that objects are lost, or are there again: an image without its object is
// shown without a link. A watcher of the generation hears of it, and a caller who asks for it again with
// the tag of its last answer gets another one; its status stays as it is.
func (o *Objects) Mark(ctx context.Context, keys []string, lost bool) error {
	ids, err := o.db.ObjectTasks(ctx, o.pool, keys)
	if err != nil {
		return fmt.Errorf("find generations of images: %w", err)
	}

	for _, id := range ids {
		err := postgres.RetryTx(ctx, o.pool, func(tx *postgres.Tx) error { return o.markOne(ctx, tx, id, keys, lost) })
		if err != nil && !postgres.IsNotFound(err) { // one that is gone by now has nothing to mark
			return fmt.Errorf("mark images of %s: %w", id, err)
		}
	}

	return nil
}

func (o *Objects) markOne(ctx context.Context, tx pgx.Tx, id uuid.UUID, keys []string, lost bool) error {
	t, err := o.db.TaskLock(ctx, tx, id)
	if err != nil {
		return err
	}

	now := o.now()
	p := db.ObjectMarkParams{TaskID: id, Keys: keys}

	if lost {
		p.At = &now
	}

	changed, err := o.db.ObjectMark(ctx, tx, p)
	if err != nil || t.AiTask.DeletedAt != nil { // of what is deleted no watcher hears
		return err
	}

	for _, index := range changed {
		sequence, err := o.db.ObjectTouch(ctx, tx, id)
		if err != nil {
			return err
		}

		err = task.RecordEvent(ctx, o.db, tx, db.EventInsertParams{
			TaskID: id, UserID: t.AiTask.UserID, Sequence: sequence, Status: t.AiTask.Status, ImageIndex: &index, At: now,
		})
		if err != nil {
			return err
		}
	}

	return nil
}
