package app

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/generation"
	"imagerun/internal/storage/sweep"
	"imagerun/internal/upload"
)

// NewSweeper returns what compares the bucket with every table that owns objects. A table that
// comes to own some is a line here: until it is, its objects are foreign, and left alone.
func NewSweeper(pool *pgxpool.Pool, bucket sweep.Bucket, now clock.Now) *sweep.Sweeper {
	return sweep.New(bucket, now, generation.NewObjects(pool, now), upload.NewObjects(pool, now))
}
