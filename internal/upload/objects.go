package upload

import (
	"context"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/storage"
	"imagerun/internal/upload/db"
)

// Objects are the files of uploads as the sweep of the bucket sees them: what was put, which may
// be there until its link has ended for sure, and the picture that was made of it, which must be
// there once the upload is ready.
type Objects struct {
	pool *pgxpool.Pool
	db   *db.Queries
	now  clock.Now
}

// NewObjects returns them. It dials nothing.
func NewObjects(pool *pgxpool.Pool, now clock.Now) *Objects {
	return &Objects{pool: pool, db: db.New(), now: now}
}

var objectKey = regexp.MustCompile(`^u/[^/]+/uploads/[^/]+$`)

// Name names the table in reports.
func (*Objects) Name() string { return "upload" }

// Owns reports whether a key has the form of an upload's.
func (*Objects) Owns(key string) bool { return objectKey.MatchString(key) }

// Page returns at most limit records whose keys come after one.
func (o *Objects) Page(ctx context.Context, after string, limit int) ([]storage.Record, error) {
	rows, err := o.db.ObjectPage(ctx, o.pool, db.ObjectPageParams{After: after, Most: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("page uploads: %w", err)
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
		return nil, fmt.Errorf("find uploads: %w", err)
	}

	asked := make(map[string]bool, len(keys))
	for _, key := range keys {
		asked[key] = true
	}

	var records []storage.Record

	for _, r := range rows {
		for _, record := range []storage.Record{
			{Key: r.RawKey, ID: r.ID, Need: storage.Need(r.RawNeed)}, {Key: r.Key, ID: r.ID, Need: storage.Need(r.Need), Lost: r.Lost},
		} {
			if asked[record.Key] {
				records = append(records, record)
			}
		}
	}

	return records, nil
}

// Mark writes down that pictures are lost, or are there again: nothing can start from one that is
// lost.
func (o *Objects) Mark(ctx context.Context, keys []string, lost bool) error {
	p := db.ObjectMarkParams{Keys: keys}

	if lost {
		now := o.now()
		p.At = &now
	}

	return fault.Wrap(o.db.ObjectMark(ctx, o.pool, p), "mark uploads")
}
