package task

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// endings is how a generation ends of which no image was stored, by why there is none. For every other reason it failed;
// with images it succeeded, or did in part, whatever the reason.
var endings = map[generation.FailureCode]generation.Status{
	generation.FailurePromptRejected: generation.StatusBlocked,
	generation.FailureOutputBlocked:  generation.StatusBlocked,
	generation.FailureDeadline:       generation.StatusExpired,
	generation.FailureUnavailable:    generation.StatusExpired,
	generation.FailureCanceledByUser: generation.StatusCanceled,
	generation.FailureByOperator:     generation.StatusCanceled,
}

// deadByOperator is what a job died of that an operator ended; see [queue.Burier].
const deadByOperator = "canceled"

// GiveUp ends a generation whose job died of a code.
func (s *Tasks) GiveUp(ctx context.Context, tx pgx.Tx, id uuid.UUID, died string) error {
	t, err := s.Lock(ctx, tx, id)
	if err != nil {
		return IgnoreFinished(err)
	}

	why := generation.FailureProviderError

	switch {
	case died == deadByOperator:
		why = generation.FailureByOperator
	case t.State() == generation.StatusStoring:
		why = generation.FailureStorage // the picture was there
	}

	return IgnoreFinished(s.Conclude(ctx, tx, t, why))
}

// Conclude ends a locked task of which nothing more will come, for a reason of our own. What came of
// it before is its user's, and paid for.
func (s *Tasks) Conclude(ctx context.Context, tx pgx.Tx, t *Task, why generation.FailureCode) error {
	status, code, err := s.judgeEnd(ctx, tx, t, why)
	if err != nil {
		return err
	}

	return s.endAndCallOff(ctx, tx, t, status, code)
}

// Fail ends a generation as its provider's refusal demands.
func (s *Tasks) Fail(ctx context.Context, tx pgx.Tx, t *Task, code generation.FailureCode) error {
	status, code, err := s.judgeEnd(ctx, tx, t, code)
	if err != nil {
		return err
	}

	return s.Change(ctx, tx, t, status, code, nil)
}

// judgeEnd is how a generation ends of which nothing more will come: what was stored before is its
// owner's. Why nothing came of one that was asked to stop is of no interest.
func (s *Tasks) judgeEnd(ctx context.Context, tx pgx.Tx, t *Task, code generation.FailureCode) (generation.Status, generation.FailureCode, error) {
	images, err := s.db.ImageList(ctx, tx, []uuid.UUID{t.ID})
	if err != nil {
		return "", "", fmt.Errorf("list images of %s: %w", t.ID, err)
	}

	if t.CancelRequested {
		code = t.CancelCode()
	}

	if code == generation.FailureReference && t.ReferenceKey == nil {
		code = generation.FailureInvalidRequest // it is about a size, which these errors are for as well
	}

	if code == generation.FailureDeadline && postgres.TextOrEmpty(t.DelayReason) == string(generation.DelayProviderUnavailable) {
		code = generation.FailureUnavailable
	}

	t.missing = code

	if status, _ := OutcomeOf(images); status == generation.StatusSucceeded || status == generation.StatusPartial {
		return status, "", nil
	}

	return cmp.Or(endings[code], generation.StatusFailed), code, nil
}

// OutcomeOf says what the images make of their generation.
func OutcomeOf(images []db.AiImage) (generation.Status, generation.FailureCode) {
	n := map[generation.ImageStatus]int{}
	for _, img := range images {
		n[generation.ImageStatus(img.Status)]++
	}

	switch {
	case n[generation.ImageStored] == len(images):
		return generation.StatusSucceeded, ""
	case n[generation.ImageStored] > 0:
		return generation.StatusPartial, ""
	case n[generation.ImageBlocked] > 0:
		return generation.StatusBlocked, generation.FailureOutputBlocked
	default:
		return generation.StatusFailed, generation.FailureNoImage
	}
}
