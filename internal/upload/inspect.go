package upload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/jobs"
	"imagerun/internal/picture"
	"imagerun/internal/postgres"
	"imagerun/internal/publicid"
	"imagerun/internal/storage"
	"imagerun/internal/upload/db"
	"imagerun/queue"
)

const (
	// readingAtOnce bounds the files that are in memory: each takes its bytes, and what comes of
	// it. What decoding takes is bounded by the opener.
	readingAtOnce = 2
	// maxTurnWait is how long an inspection waits for its turn before it lets the worker do something else.
	maxTurnWait = 5 * time.Second
)

// Register makes the service the handler of the jobs of uploads.
func (s *Service) Register(r *queue.Registry) {
	queue.Register(r, inspector{s})
	queue.Register(r, eraser{s})
	queue.Register(r, purger{s})
}

// inspector makes a picture of ours from what was put.
type inspector struct{ *Service }

// rejection ends an inspection without a picture.
type rejection struct {
	reason Reason
	cause  error
}

func (r *rejection) Error() string { return string(r.reason) }
func (r *rejection) Unwrap() error { return r.cause }

// Handle commits what the picture will be, puts it, deletes what was put by the user, and then
// says that it is ready. Found after a crash between these, it goes on from there.
func (h inspector) Handle(ctx context.Context, job *queue.Job[jobs.InspectUpload]) error {
	id := job.Args.UploadID

	u, err := h.db.UploadFind(ctx, h.Pool, id)

	switch {
	case postgres.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read upload %s: %w", id, err)
	}

	if Status(u.Status) != StatusInspecting {
		return nil
	}

	ref, err := h.Users.Ref(ctx, u.UserID)
	if err != nil {
		return err
	}

	done, err := h.isPictureStored(ctx, u)
	if err != nil {
		return err
	}

	if !done {
		select {
		case h.reading <- struct{}{}:
		case <-time.After(maxTurnWait):
			return job.Snooze()
		case <-ctx.Done():
			return fmt.Errorf("wait for a turn: %w", ctx.Err())
		}

		err = h.inspectRaw(ctx, job, u, ref)
		<-h.reading
	}

	rejected, ok := errors.AsType[*rejection](err)
	if err != nil && !ok {
		return err
	}

	if ok {
		h.Log.Info("upload was rejected", slog.String("upload_id", publicid.Format(publicid.PrefixUpload, id)), slog.String("reason", string(rejected.reason)), slog.Any("error", rejected.cause))
	}

	if err := h.Bucket.Delete(ctx, u.RawKey); err != nil {
		return fmt.Errorf("delete raw object of %s: %w", id, err)
	}

	return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if _, err := h.db.UploadLock(ctx, tx, id); err != nil {
			return fmt.Errorf("lock upload %s: %w", id, err)
		}

		reason := Reason("")
		if ok {
			reason = rejected.reason
		}

		if err := h.endInspection(ctx, tx, id, reason); err != nil {
			return err
		}

		tx.AfterCommit(func() { h.Notifier.Notify(ref, id, 1) })

		return job.Complete(ctx, tx)
	})
}

// isPictureStored reports whether an earlier run has put the picture.
func (h inspector) isPictureStored(ctx context.Context, u db.Upload) (bool, error) {
	if u.Key == nil {
		return false, nil
	}

	o, err := h.Bucket.Head(ctx, *u.Key)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}

	return err == nil && o.Size == *u.Bytes, fault.Wrap(err, "look for the picture of "+u.ID.String())
}

// inspectRaw reads what was put and puts what it makes of it. A [rejection] is about the file; other
// errors may pass.
func (h inspector) inspectRaw(ctx context.Context, job *queue.Job[jobs.InspectUpload], u db.Upload, ref string) error {
	raw, err := h.readRaw(ctx, u)
	if err != nil {
		return err
	}

	if format, ok := picture.Sniff(raw); ok && format.ContentType() != u.PromisedType {
		return &rejection{ReasonType, nil}
	}

	clean, err := h.Pictures.Sanitize(ctx, raw)
	if err != nil {
		return rejectionOf(err)
	}

	// What the file says of a model's part in it does not go with the rest of its metadata.
	var source *string

	if mark := picture.MarkOf(picture.Format(strings.TrimPrefix(u.PromisedType, "image/")), raw); mark != "" {
		clean.Body, _ = picture.Mark(clean.Format, clean.Body, mark)
		source = new(string(mark))
	}

	key := newKey(ref, clean.Format.Extension())
	if u.Key != nil {
		key = *u.Key // a row has one, so that nothing else can be left in the bucket
	}

	contentType, sum := clean.Format.ContentType(), sha256.Sum256(clean.Body)
	width, height, size := int32(clean.Width), int32(clean.Height), int64(len(clean.Body))

	err = postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if _, err := h.db.UploadLock(ctx, tx, u.ID); err != nil {
			return fmt.Errorf("lock upload %s: %w", u.ID, err)
		}

		if err := job.Hold(ctx, tx); err != nil {
			return err
		}

		return fault.Wrap(h.db.UploadMeasured(ctx, tx, db.UploadMeasuredParams{
			ID: u.ID, Key: &key, ContentType: &contentType, Width: &width, Height: &height, Bytes: &size, Sha256: sum[:],
			SourceType: source,
		}), "measure upload "+u.ID.String())
	})
	if err != nil {
		return err
	}

	return fault.Wrap(h.Bucket.Put(ctx, key, contentType, clean.Body), "store picture of "+u.ID.String())
}

// readRaw reads what was put.
func (h inspector) readRaw(ctx context.Context, u db.Upload) ([]byte, error) {
	r, err := h.Bucket.Get(ctx, u.RawKey)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, &rejection{ReasonMissing, nil}
	} else if err != nil {
		return nil, fmt.Errorf("open file of %s: %w", u.ID, err)
	}
	defer r.Close()

	// Its length was compared when it was completed, but it may have been put again since.
	raw := bytes.NewBuffer(make([]byte, 0, u.PromisedBytes+bytes.MinRead))
	if _, err := io.Copy(raw, io.LimitReader(r, u.PromisedBytes+1)); err != nil {
		return nil, fmt.Errorf("read file of %s: %w", u.ID, err)
	}

	if int64(raw.Len()) != u.PromisedBytes {
		return nil, &rejection{ReasonMissing, nil}
	}

	if u.PromisedSha256 != nil {
		if sum := sha256.Sum256(raw.Bytes()); !bytes.Equal(sum[:], u.PromisedSha256) {
			return nil, &rejection{ReasonChecksum, nil}
		}
	}

	return raw.Bytes(), nil
}

// rejectionOf makes of a refusal of the file what its owner is told.
func rejectionOf(err error) error {
	switch {
	case !errors.Is(err, picture.ErrNotPicture):
		return err
	case errors.Is(err, picture.ErrFormat):
		return &rejection{ReasonNotPicture, err}
	case errors.Is(err, picture.ErrUnsupported):
		return &rejection{ReasonKind, err}
	case errors.Is(err, picture.ErrTooBig):
		return &rejection{ReasonTooBig, err}
	case errors.Is(err, picture.ErrAnimated):
		return &rejection{ReasonAnimated, err}
	default:
		return &rejection{ReasonDamaged, err}
	}
}

// endInspection commits the outcome of an inspection; no reason: the picture is ready.
func (s *Service) endInspection(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason Reason) error {
	now, text := s.Now(), string(reason)
	outcome := text

	var err error

	if reason == "" {
		outcome = string(StatusReady)
		err = s.db.UploadReady(ctx, tx, db.UploadReadyParams{ID: id, At: &now})
	} else {
		err = s.db.UploadRejected(ctx, tx, db.UploadRejectedParams{ID: id, Reason: &text, At: &now})
	}

	if err != nil {
		return fmt.Errorf("end inspection of %s: %w", id, err)
	}

	s.metrics.inspected.WithLabelValues(outcome).Inc()

	return nil
}

// Dead rejects an upload whose inspection will not be tried again. What it may have put goes with
// the row.
func (h inspector) Dead(ctx context.Context, tx pgx.Tx, args jobs.InspectUpload, _ string) error {
	if _, err := h.db.UploadLock(ctx, tx, args.UploadID); postgres.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("lock upload %s: %w", args.UploadID, err)
	}

	return h.endInspection(ctx, tx, args.UploadID, ReasonFailed)
}
