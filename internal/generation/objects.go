package generation

import (
	"context"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/generation/db"
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
// shown without a link.
func (o *Objects) Mark(ctx context.Context, keys []string, lost bool) error {
	p := db.ObjectMarkParams{Keys: keys}

	if lost {
		now := o.now()
		p.At = &now
	}

	if err := o.db.ObjectMark(ctx, o.pool, p); err != nil {
		return fmt.Errorf("mark images: %w", err)
	}

	return nil
}
