package attempt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/picture"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// maxDownload bounds one output: a PNG of the largest size we ask for, twice over.
const maxDownload = 32 << 20

// maxSpoiled is how often a file is fetched that is not there, or turns out not to be a picture.
const maxSpoiled = 3

// imageVerdict is how an image ended that was not stored.
type imageVerdict struct {
	status generation.ImageStatus
	code   generation.FailureCode
}

// storeImages puts every image of the result into the bucket and settles the generation.
func (h collector) storeImages(ctx context.Context, job *queue.Job[jobs.CollectGeneration], a db.ProviderAttempt, result providers.Result) error {
	// 1. The status says so before anything is put: a crash from here on is found as one that stores.
	var source picture.SourceType

	err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.Tasks.Lock(ctx, tx, a.TaskID)
		if err != nil {
			return err
		}

		source = sourceOf(t)

		if err := job.Hold(ctx, tx); err != nil || t.State() == generation.StatusStoring {
			return err
		}

		t.ServedModel = new(task.ModelOf(t.AiTask, a))

		return h.Tasks.Change(ctx, tx, t, generation.StatusStoring, "", nil)
	})
	if err != nil {
		return task.IgnoreFinished(err)
	}

	// 2. Each image that is still to come is brought, one after the other; those of a run before are there.
	images, err := h.db.ImageList(ctx, h.Pool, []uuid.UUID{a.TaskID})
	if err != nil {
		return fmt.Errorf("list images of %s: %w", a.TaskID, err)
	}

	verdicts := make(map[uuid.UUID]imageVerdict)

	for _, img := range images {
		i := int(img.Index)

		switch {
		case generation.ImageStatus(img.Status) != generation.ImagePending:
		case i >= len(result.Images):
			verdicts[img.ID] = imageVerdict{generation.ImageFailed, generation.FailureNoImage}
		case result.Images[i].Blocked:
			verdicts[img.ID] = imageVerdict{generation.ImageBlocked, generation.FailureOutputBlocked}
		default:
			failed, err := h.storeOne(ctx, job, a, img, result.Images[i].URL, source)
			if err != nil {
				if task.IgnoreFinished(err) != nil && !job.LastAttempt() {
					h.Tasks.RecordDelay(ctx, a.TaskID, generation.DelayStoring, 0)
				}

				return task.IgnoreFinished(err)
			}

			if failed != "" {
				verdicts[img.ID] = imageVerdict{generation.ImageFailed, failed}
			}
		}
	}

	// 3. What became of its images ends the generation.
	err = postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error { return h.settleImages(ctx, tx, job, a, result.Units, verdicts) })
	if err == nil && a.Model != nil {
		h.Models.RecordSuccess(ctx, *a.Model)
	}

	return task.IgnoreFinished(err)
}

// storeOne brings one image to the bucket, marked with its source, and commits that it is there, or says why there is
// none: what the provider delivers is not a picture, or nothing.
func (h collector) storeOne(ctx context.Context, job *queue.Job[jobs.CollectGeneration], a db.ProviderAttempt, img db.AiImage, url string,
	source picture.SourceType,
) (failed generation.FailureCode, err error) {
	body, err := h.Provider.Download(ctx, url, maxDownload)
	h.Tasks.CountCall("download", err)

	if err != nil {
		switch class := providers.ClassOf(err); {
		case class == providers.Transient || ctx.Err() != nil:
			if !job.LastAttempt() {
				return "", err
			}
		case class != providers.Rejected && job.Attempt < maxSpoiled:
			return "", err
		}

		h.Log.Warn("image could not be downloaded",
			generation.LogID(a.TaskID), slog.Any("image_id", img.ID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		return generation.FailureResultExpired, nil
	}

	info, thumbnail, err := h.Pictures.Open(ctx, body)
	if errors.Is(err, picture.ErrNotPicture) {
		if job.Attempt < maxSpoiled {
			return "", fmt.Errorf("open image %s: %w", img.ID, err) // it may have been spoiled on its way
		}

		h.Log.Warn("provider delivered something that is not a picture",
			generation.LogID(a.TaskID), slog.Any("image_id", img.ID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		return generation.FailureNoImage, nil
	} else if err != nil {
		return "", err
	}

	hash, err := picture.ThumbHash(thumbnail)
	if err != nil {
		return "", fmt.Errorf("hash thumbnail of %s: %w", img.ID, err)
	}

	// The thumbnail says what the image says, which may be the provider's word.
	body, source = picture.Mark(info.Format, body, source)
	thumbnail, _ = picture.Mark(picture.JPEG, thumbnail, source)
	contentType := info.Format.ContentType()

	if err := h.Bucket.Put(ctx, img.Key, contentType, body); err != nil {
		return "", fmt.Errorf("store image %s: %w", img.ID, err)
	}

	if err := h.Bucket.Put(ctx, img.ThumbnailKey, "image/jpeg", thumbnail); err != nil {
		return "", fmt.Errorf("store thumbnail of %s: %w", img.ID, err)
	}

	err = postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.Tasks.Lock(ctx, tx, a.TaskID)
		if err != nil {
			return err
		}

		if err := job.Hold(ctx, tx); err != nil {
			return err
		}

		if t.State().Terminal() {
			return task.ErrFinished
		}

		now, sum := h.Now(), sha256.Sum256(body)
		width, height, size := int32(info.Width), int32(info.Height), int64(len(body))

		err = h.db.ImageStored(ctx, tx, db.ImageStoredParams{
			ID: img.ID, ContentType: &contentType, Width: &width, Height: &height, Bytes: &size, Sha256: sum[:],
			Thumbhash: hash, StoredAt: &now,
		})
		if err != nil {
			return fmt.Errorf("mark image %s stored: %w", img.ID, err)
		}

		t.SetDelay("", now, 0)

		if err := h.Tasks.Change(ctx, tx, t, generation.StatusStoring, "", &img.Index); err != nil {
			return err
		}

		return h.Tasks.Capture(ctx, tx, t, a, img.Index)
	})

	if task.IsFinished(err) || postgres.IsNotFound(err) {
		// Its user does not want it any more: what was just put must go.
		return "", errors.Join(err, h.Bucket.Delete(context.WithoutCancel(ctx), img.Key, img.ThumbnailKey))
	}

	return "", err
}

// sourceOf is how the images of a task come to be. A reference that was a model's work itself makes
// them no less a composite with it.
func sourceOf(t *task.Task) picture.SourceType {
	if t.ReferenceKey != nil {
		return picture.CompositeWithTrainedAlgorithmicMedia
	}

	return picture.TrainedAlgorithmicMedia
}

// settleImages ends the generation by what became of its images.
func (h collector) settleImages(ctx context.Context, tx *postgres.Tx, job *queue.Job[jobs.CollectGeneration], a db.ProviderAttempt, units string,
	verdicts map[uuid.UUID]imageVerdict,
) error {
	t, err := h.Tasks.Lock(ctx, tx, a.TaskID)
	if err != nil {
		return err
	}

	for id, v := range verdicts {
		if err := h.db.ImageSettle(ctx, tx, db.ImageSettleParams{ID: id, Status: string(v.status), FailureCode: postgres.TextOrNil(string(v.code))}); err != nil {
			return fmt.Errorf("settle image %s: %w", id, err)
		}
	}

	images, err := h.db.ImageList(ctx, tx, []uuid.UUID{t.ID})
	if err != nil {
		return fmt.Errorf("list images of %s: %w", t.ID, err)
	}

	status, code := task.OutcomeOf(images)
	if err := h.Tasks.Change(ctx, tx, t, status, code, nil); err != nil {
		return err
	}

	if err := h.EndAttempt(ctx, tx, a.ID, "done", units, nil); err != nil {
		return err
	}

	return h.finishJob(ctx, tx, job, a.ID)
}
