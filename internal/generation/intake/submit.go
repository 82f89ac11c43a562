package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/admission"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/idempotency"
	"imagerun/internal/postgres"
)

// minDeadline is the shortest deadline that a caller may ask for, as the contract has it.
const minDeadline = 30 * time.Second

// order is a submission that the catalogue has found good.
type order struct {
	generation.Submission

	id           uuid.UUID
	model        catalogue.Model
	parameters   catalogue.Parameters
	prices       catalogue.Prices
	referenceKey string // in the bucket; empty: none
	deadline     time.Duration
	newUser      bool      // the user has no row yet: it is made, too
	after        time.Time // of the one before it in its batch: it is created later; zero: none

	// Of the user, read under their locks.
	share admission.UserShare
	funds *credits.Locked
}

// Submit accepts a request for images: idempotency record, task, images and the hold of what they
// may cost in one transaction. A replay of an earlier request returns that one's generation and its
// record. Nothing outside Postgres is called. Errors: [catalogue.ErrInvalid], [generation.ErrPlanForbids], [generation.ErrQueueFull],
// [credits.ErrInsufficient], [credits.ErrInDebt], those of [idempotency.Begin].
func (s *Intake) Submit(ctx context.Context, sub generation.Submission) (generation.Accepted, error) {
	o, err := s.newOrder(sub)
	if err != nil {
		return generation.Accepted{}, err
	}

	var out generation.Accepted

	if err = s.acceptOrder(ctx, o, &out); errors.Is(err, errNoUser) {
		o.newUser = true
		err = s.acceptOrder(ctx, o, &out)
	}

	switch {
	case out.Replay != nil:
		return s.answerReplay(ctx, sub.UserID, out.Replay)
	case err != nil:
		return generation.Accepted{}, err
	}

	if err := s.Admission.PositionsOfNew(ctx, o.model.Provider, admission.NewPosition{Generation: &out.Generation, Share: o.share}); err != nil {
		s.Log.Warn("a generation was accepted without a place", generation.LogID(o.id), slog.Any("error", err))
	}

	return out, nil
}

// newOrder judges what of a submission can be judged before anything is asked of the database: all of the usual one, which
// has no reference.
func (s *Intake) newOrder(sub generation.Submission) (*order, error) {
	o := &order{Submission: sub, id: uuid.New()}

	var err error
	if o.deadline, err = s.deadlineOf(sub); err != nil {
		return nil, err
	}

	if sub.Reference == nil {
		if o.model, o.parameters, err = s.Catalogue.Resolve(sub.Request); err != nil {
			return nil, err
		}
	}

	return o, nil
}

// answerReplay answers with what an earlier request was answered with, as it is now.
func (s *Intake) answerReplay(ctx context.Context, userID uuid.UUID, record *idempotency.Record) (generation.Accepted, error) {
	g, err := s.History.Get(ctx, userID, record.ResourceID)
	if err != nil {
		return generation.Accepted{}, err
	}

	balance, err := s.Credits.Balance(ctx, s.Pool, userID)

	return generation.Accepted{Generation: g, Balance: balance, Replay: record}, err
}

// acceptOrder accepts an order in one transaction and fills in the answer. Of a replay that is the record alone,
// with errReplay.
func (s *Intake) acceptOrder(ctx context.Context, o *order, out *generation.Accepted) error {
	return postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		// 1. The locks, and all that the answer depends on, in one round trip.
		if err := s.lockSubmitter(ctx, tx, o, &out.Replay); err != nil {
			return err
		}

		// 2. The order is judged; its rows and its hold are written.
		if err := s.writeOrder(ctx, tx, o, out); err != nil {
			return err
		}

		// 3. Its key stands for it from now on. The rows go with the commit.
		return finishOrder(ctx, tx, o)
	})
}

// finishOrder records what the key of an order stands for, if it has one.
func finishOrder(ctx context.Context, tx *postgres.Tx, o *order) error {
	if o.IdempotencyKey == "" {
		return nil
	}

	return idempotency.Finish(ctx, tx, o.UserID, o.IdempotencyKey, o.Fingerprint, idempotency.Record{ResourceID: o.id, Status: 202})
}

// writeOrder judges an order by what was read, writes the rows of a new generation and sets aside what it may cost.
func (s *Intake) writeOrder(ctx context.Context, tx *postgres.Tx, o *order, out *generation.Accepted) (err error) {
	plan := s.Plans.Of(o.share.Plan)
	if err := judgeByPlan(plan, *o); err != nil {
		return err
	}

	if o.share.Waiting >= plan.QueueDepth {
		return generation.ErrQueueFull
	}

	if err := s.priceOrder(o); err != nil {
		return err
	}

	now, images := s.Now(), int64(o.parameters.NumImages)
	if !now.After(o.after) {
		now = o.after.Add(time.Microsecond) // as precise as its column: their order is that of their times
	}

	cost := generation.Cost{Cost: credits.Cost{Held: o.prices.Max() * images}, Quoted: o.prices[o.model.ID] * images}

	out.Balance, err = s.Credits.HoldLocked(ctx, tx, o.funds, credits.Hold{
		UserID: o.UserID, TaskID: o.id, AutoRefundAt: now.Add(o.deadline), Credits: cost.Held,
	})
	if err != nil {
		return err
	}

	if out.Generation, err = s.insertRows(ctx, tx, *o, o.share.Ref, now); err != nil {
		return err
	}

	out.Cost = cost

	tx.AfterCommit(func() {
		s.metrics.accepted.WithLabelValues(o.model.ID).Inc()
		s.Tasks.WantAdmission()
		s.Notifier.Notify(o.share.Ref, o.id, 1)
	})

	return nil
}

func (s *Intake) deadlineOf(sub generation.Submission) (time.Duration, error) {
	if sub.DeadlineSeconds == nil {
		return s.Options.Deadline, nil
	}

	d := time.Duration(*sub.DeadlineSeconds) * time.Second
	if d < minDeadline || d > s.Options.MaxDeadline {
		detail := fmt.Sprintf("The deadline must be %d to %d seconds.", int(minDeadline.Seconds()), int(s.Options.MaxDeadline.Seconds()))

		return 0, catalogue.ErrInvalid.WithFields(fault.Field{Pointer: "#/deadline_seconds", Keyword: "maximum", Detail: detail})
	}

	return d, nil
}
