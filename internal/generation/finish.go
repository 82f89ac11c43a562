package generation

import (
	"context"
	"fmt"
	"imagerun/internal/generation/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// deadByOperator is what a job died of that an operator ended; see [queue.Burier].
const deadByOperator = "canceled"

// giveUp ends a generation whose job died of a code.
func (s *Service) giveUp(ctx context.Context, tx pgx.Tx, id uuid.UUID, died string) error {
	t, err := s.lock(ctx, tx, id)
	if err != nil {
		return moot(err)
	}

	why := FailureProviderError

	switch {
	case died == deadByOperator:
		why = FailureByOperator
	case t.status() == StatusStoring:
		why = FailureStorage // the picture was there
	}

	return moot(s.conclude(ctx, tx, t, why))
}

// conclude ends a locked task of which nothing more will come, for a reason of our own. What came of
// it before is its user's, and paid for.
func (s *Service) conclude(ctx context.Context, tx pgx.Tx, t *task, why FailureCode) error {
	status, code, err := s.verdict(ctx, tx, t, why)
	if err != nil {
		return err
	}

	return s.end(ctx, tx, t, status, code)
}

// fail ends a generation as its provider's refusal demands.
func (s *Service) fail(ctx context.Context, tx pgx.Tx, t *task, code FailureCode) error {
	status, code, err := s.verdict(ctx, tx, t, code)
	if err != nil {
		return err
	}

	return s.change(ctx, tx, t, status, code, nil)
}

// verdict is how a generation ends of which nothing more will come: what was stored before is its
// owner's. Why nothing came of one that was asked to stop is of no interest.
func (s *Service) verdict(ctx context.Context, tx pgx.Tx, t *task, code FailureCode) (Status, FailureCode, error) {
	images, err := s.db.ImageList(ctx, tx, []uuid.UUID{t.ID})
	if err != nil {
		return "", "", fmt.Errorf("list images of %s: %w", t.ID, err)
	}

	if t.CancelRequested {
		code = t.cancelCode()
	}

	if code == FailureReference && t.ReferenceKey == nil {
		code = FailureInvalidRequest // it is about a size, which these errors are for as well
	}

	if code == FailureDeadline && orEmpty(t.DelayReason) == string(DelayProviderUnavailable) {
		code = FailureUnavailable
	}

	t.missing = code

	switch status, _ := outcome(images); {
	case status == StatusSucceeded || status == StatusPartial:
		return status, "", nil
	case code == FailurePromptRejected || code == FailureOutputBlocked:
		return StatusBlocked, code, nil
	case code == FailureDeadline || code == FailureUnavailable:
		return StatusExpired, code, nil
	case code == FailureCanceledByUser || code == FailureByOperator:
		return StatusCanceled, code, nil
	default:
		return StatusFailed, code, nil
	}
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
