package generation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation/db"
	"imagerun/internal/generation/picture"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// downloadMost bounds one output: a PNG of the largest size we ask for, twice over.
const downloadMost = 32 << 20

// collector follows one attempt until its images are stored.
type collector struct{ *Service }

// Handle looks at the attempt once: still running means later, a result means now.
func (h collector) Handle(ctx context.Context, job *queue.Job[queue.CollectGeneration]) error {
	a, err := h.db.AttemptGet(ctx, h.Pool, job.Args.AttemptID)
	if notFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read attempt %s: %w", job.Args.AttemptID, err)
	}

	row, err := h.db.TaskPeek(ctx, h.Pool, a.TaskID)
	if err != nil {
		return fmt.Errorf("read generation %s: %w", a.TaskID, err)
	}

	switch {
	case Status(row.AiTask.Status).Terminal():
		// The cancel job ends the attempt. An earlier run of this one may have died with an object
		// put that nobody wants.
		return h.dropUnstored(ctx, a.TaskID)
	case a.FinishedAt != nil:
		return nil
	}

	result, err := h.result(ctx, a)

	switch {
	case err == nil:
		return h.store(ctx, job, a, result)
	case providers.ClassOf(err) == providers.NotReady:
		return queue.Snooze(h.pause(a))
	case providers.ClassOf(err) == providers.Account:
		h.metrics.accountBlocked.Set(1)

		return queue.Snooze(h.breaker.trip())
	case providers.ClassOf(err) == providers.Rejected || providers.ClassOf(err) == providers.Gone:
		return h.rejected(ctx, job, a, err)
	default:
		return err
	}
}

// pause is the time to the next look.
func (h collector) pause(a db.ProviderAttempt) time.Duration {
	switch {
	case a.CallbackAt != nil:
		return time.Second // it has finished: the result is about to be there
	case h.Options.CallbackURL == "":
		return h.Options.PollEvery
	default:
		return h.Options.CollectEvery
	}
}

// result gets the outcome: from the provider, or where that has expired from the callback.
func (h collector) result(ctx context.Context, a db.ProviderAttempt) (providers.Result, error) {
	ticket := ticketOf(a)

	if a.Callback == nil {
		status, err := h.Provider.Poll(ctx, ticket)
		h.metrics.call("poll", err)

		if err != nil {
			return providers.Result{}, err
		}

		if status.State != providers.StateDone {
			return providers.Result{}, &providers.Error{Class: providers.NotReady}
		}
	}

	result, err := h.Provider.Fetch(ctx, ticket)
	h.metrics.call("fetch", err)

	if err != nil && providers.ClassOf(err) == providers.Gone && a.Callback != nil {
		return h.Provider.ParseCallback(a.Callback)
	}

	return result, err
}

// rejected ends an attempt that yielded no result, and the generation with it unless another
// attempt may do better.
func (h collector) rejected(ctx context.Context, job *queue.Job[queue.CollectGeneration], a db.ProviderAttempt, cause error) error {
	code := FailureCode(codeOf(cause))
	if providers.ClassOf(cause) == providers.Gone {
		code = FailureResultExpired
	}

	return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.lock(ctx, tx, a.TaskID)
		if err != nil {
			return err
		}

		if err := h.endAttempt(ctx, tx, a.ID, "done", cause); err != nil {
			return err
		}

		tried, err := h.db.AttemptTried(ctx, tx, t.ID)
		if err != nil {
			return fmt.Errorf("count attempts of %s: %w", t.ID, err)
		}

		again := (code == FailureProviderError || code == FailureTimeout) && tried < attemptsMost
		if again {
			err = h.change(ctx, tx, t, StatusSubmitting, "", nil)
		} else {
			err = h.fail(ctx, tx, t, code)
		}

		switch {
		case err != nil && !over(err):
			return err
		case err == nil && again:
			err = h.stage(ctx, tx, queue.SubmitGeneration{TaskID: t.ID}, t.ID, time.Duration(tried)*5*time.Second)
		default:
			err = nil
		}

		if err != nil {
			return err
		}

		return h.finish(ctx, tx, job, a.ID)
	})
}

// store puts every image of the result into the bucket and settles the generation.
func (h collector) store(ctx context.Context, job *queue.Job[queue.CollectGeneration], a db.ProviderAttempt, result providers.Result) error {
	err := postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.lock(ctx, tx, a.TaskID)
		if err != nil {
			return err
		}

		if err := job.Hold(ctx, tx); err != nil || t.status() == StatusStoring {
			return err
		}

		return h.change(ctx, tx, t, StatusStoring, "", nil)
	})
	if err != nil {
		return moot(err)
	}

	images, err := h.db.ImageList(ctx, h.Pool, []uuid.UUID{a.TaskID})
	if err != nil {
		return fmt.Errorf("list images of %s: %w", a.TaskID, err)
	}

	verdicts := make(map[uuid.UUID]ImageStatus)

	for _, img := range images {
		i := int(img.Index)

		switch {
		case ImageStatus(img.Status) != ImagePending:
		case i >= len(result.Images):
			verdicts[img.ID] = ImageFailed
		case result.Images[i].Blocked:
			verdicts[img.ID] = ImageBlocked
		default:
			stored, err := h.storeOne(ctx, job, a, img, result.Images[i].URL)
			if err != nil {
				return moot(err)
			}

			if !stored {
				verdicts[img.ID] = ImageFailed
			}
		}
	}

	err = postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error { return h.settle(ctx, tx, job, a, verdicts) })

	return moot(err)
}

// storeOne brings one image to the bucket and commits that it is there. False: what the
// provider delivers is not a picture, or nothing.
func (h collector) storeOne(ctx context.Context, job *queue.Job[queue.CollectGeneration], a db.ProviderAttempt, img db.AiImage, url string) (bool, error) {
	body, err := h.Provider.Download(ctx, url, downloadMost)
	h.metrics.call("download", err)

	if err != nil {
		transient := providers.ClassOf(err) == providers.Transient || ctx.Err() != nil
		if transient && !job.LastAttempt() {
			return false, err
		}

		h.Log.Warn("image could not be downloaded",
			slog.Any("image_id", img.ID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		return false, nil
	}

	info, thumbnail, err := h.Pictures.Open(ctx, body)
	if errors.Is(err, picture.ErrNotPicture) {
		h.Log.Warn("provider delivered something that is not a picture",
			slog.Any("image_id", img.ID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		return false, nil
	} else if err != nil {
		return false, err
	}

	contentType := info.Format.ContentType()

	if err := h.Bucket.Put(ctx, img.Key, contentType, body); err != nil {
		return false, fmt.Errorf("store image %s: %w", img.ID, err)
	}

	if err := h.Bucket.Put(ctx, img.ThumbnailKey, "image/jpeg", thumbnail); err != nil {
		return false, fmt.Errorf("store thumbnail of %s: %w", img.ID, err)
	}

	err = postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.lock(ctx, tx, a.TaskID)
		if err != nil {
			return err
		}

		if err := job.Hold(ctx, tx); err != nil {
			return err
		}

		if t.status().Terminal() {
			return errOver
		}

		now, sum := h.Now(), sha256.Sum256(body)
		width, height, size := int32(info.Width), int32(info.Height), int64(len(body))

		err = h.db.ImageStored(ctx, tx, db.ImageStoredParams{
			ID: img.ID, ContentType: &contentType, Width: &width, Height: &height, Bytes: &size, Sha256: sum[:], StoredAt: &now,
		})
		if err != nil {
			return fmt.Errorf("mark image %s stored: %w", img.ID, err)
		}

		return h.change(ctx, tx, t, StatusStoring, "", &img.Index)
	})

	if over(err) || notFound(err) {
		// Nobody wants it any more: what was just put must go.
		return false, errors.Join(err, h.Bucket.Delete(context.WithoutCancel(ctx), img.Key, img.ThumbnailKey))
	}

	return err == nil, err
}

// settle ends the generation by what became of its images.
func (h collector) settle(ctx context.Context, tx *postgres.Tx, job *queue.Job[queue.CollectGeneration], a db.ProviderAttempt, verdicts map[uuid.UUID]ImageStatus) error {
	t, err := h.lock(ctx, tx, a.TaskID)
	if err != nil {
		return err
	}

	for id, v := range verdicts {
		if err := h.db.ImageSettle(ctx, tx, db.ImageSettleParams{ID: id, Status: string(v)}); err != nil {
			return fmt.Errorf("settle image %s: %w", id, err)
		}
	}

	images, err := h.db.ImageList(ctx, tx, []uuid.UUID{t.ID})
	if err != nil {
		return fmt.Errorf("list images of %s: %w", t.ID, err)
	}

	status, code := outcome(images)
	if err := h.change(ctx, tx, t, status, code, nil); err != nil {
		return err
	}

	if err := h.endAttempt(ctx, tx, a.ID, "done", nil); err != nil {
		return err
	}

	return h.finish(ctx, tx, job, a.ID)
}

// outcome says what the images make of their generation.
func outcome(images []db.AiImage) (Status, FailureCode) {
	n := map[ImageStatus]int{}
	for _, img := range images {
		n[ImageStatus(img.Status)]++
	}

	switch {
	case n[ImageStored] == len(images):
		return StatusSucceeded, ""
	case n[ImageStored] > 0:
		return StatusPartial, ""
	case n[ImageBlocked] > 0:
		return StatusBlocked, FailureOutputBlocked
	default:
		return StatusFailed, FailureNoImage
	}
}

// finish has the provider's copy deleted and completes the job.
func (h collector) finish(ctx context.Context, tx pgx.Tx, job *queue.Job[queue.CollectGeneration], attempt uuid.UUID) error {
	if err := h.stage(ctx, tx, queue.EraseAttempt{AttemptID: attempt}, attempt, 0); err != nil {
		return err
	}

	return job.Complete(ctx, tx)
}

// Dead settles the generation of a collect job that will not be tried again.
func (h collector) Dead(ctx context.Context, tx pgx.Tx, args queue.CollectGeneration, _ string) error {
	a, err := h.db.AttemptGet(ctx, tx, args.AttemptID)
	if notFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read attempt %s: %w", args.AttemptID, err)
	}

	return h.giveUp(ctx, tx, a.TaskID)
}

// moot turns "it is over already" into success: the job has nothing left to do.
func moot(err error) error {
	if over(err) || notFound(err) {
		return nil
	}

	return err
}
