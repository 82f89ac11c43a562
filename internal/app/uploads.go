package app

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation"
	"imagerun/internal/picture"
	"imagerun/internal/storage"
	"imagerun/internal/upload"
)

// newUploadService builds the domain; a process that runs no jobs has no pictures.
func (b *base) newUploadService(bucket storage.Bucket, pictures *picture.Opener) *upload.Service {
	u := b.cfg.Upload

	return upload.New(upload.Deps{
		Pool: b.pool, Queue: b.queue, Bucket: bucket, Pictures: pictures, Users: b.users, Notifier: b.notifier, Log: b.log, Now: b.clock.Now,
		Options: upload.Options{
			MaxBytes: int64(u.MaxBytes), MaxOpen: u.MaxOpen, LinkLife: u.LinkLife, KeepUnused: u.KeepUnused,
		},
	})
}

// references shows uploads to generations.
type references struct{ *upload.Service }

// UseReference implements [generation.References].
func (r references) UseReference(ctx context.Context, tx pgx.Tx, userID, uploadID uuid.UUID) (generation.Reference, error) {
	ref, err := r.Service.UseReference(ctx, tx, userID, uploadID)

	return generation.Reference{Key: ref.Key, Width: ref.Width, Height: ref.Height}, err
}

// FindReference implements [generation.References].
func (r references) FindReference(ctx context.Context, tx pgx.Tx, userID, uploadID uuid.UUID) (generation.Reference, error) {
	ref, err := r.Service.FindReference(ctx, tx, userID, uploadID)

	return generation.Reference{Key: ref.Key, Width: ref.Width, Height: ref.Height}, err
}
