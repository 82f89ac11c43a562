package generation

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/idempotency"
	"imagerun/internal/postgres"
)

// order is a submission that the catalogue has found good.
type order struct {
	Submission

	id           uuid.UUID
	model        catalogue.Model
	parameters   catalogue.Parameters
	prices       catalogue.Prices
	referenceKey string // in the bucket; empty: none
	deadline     time.Duration
}

// Submit accepts a request for images: idempotency record, task, images and the hold of what they
// may cost in one transaction. A replay of an earlier request returns that one's generation and its
// record. Nothing outside Postgres is called. Errors: [catalogue.ErrInvalid], [ErrPlanForbids], [ErrQueueFull],
// [credits.ErrInsufficient], [credits.ErrInDebt], those of [idempotency.Begin].
func (s *Service) Submit(ctx context.Context, sub Submission) (Accepted, error) {
	o := order{Submission: sub, id: uuid.New()}

	var err error
	if o.deadline, err = s.deadline(sub); err != nil {
		return Accepted{}, err
	}

	if sub.Reference == nil { // the usual one is judged before anything is asked of the database
		if o.model, o.parameters, err = s.Catalogue.Resolve(sub.Request); err != nil {
			return Accepted{}, err
		}
	}

	var (
		out  Accepted
		turn standing
	)

	err = postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		if sub.IdempotencyKey != "" {
			first := &pgx.Batch{}
			idempotency.Queue(first, sub.UserID, sub.IdempotencyKey, sub.Fingerprint, &out.Replay)

			if err := tx.SendBatch(ctx, first).Close(); err != nil || out.Replay != nil {
				return err
			}
		}

		if sub.Reference != nil {
			if err := s.refer(ctx, tx, &o); err != nil {
				return err
			}
		}

		if turn, err = s.accept(ctx, tx, o, &out); err != nil {
			return err
		}

		if sub.IdempotencyKey != "" {
			record := idempotency.Record{ResourceID: o.id, Status: 202}

			return idempotency.Finish(ctx, tx, sub.UserID, sub.IdempotencyKey, sub.Fingerprint, record)
		}

		return nil
	})

	switch {
	case err != nil:
		return Accepted{}, err
	case out.Replay != nil:
		return s.replayed(ctx, sub.UserID, out.Replay)
	}

	if err := s.placeNew(ctx, o.model.Provider, &out.Generation, turn); err != nil {
		s.Log.Warn("a generation was accepted without a place", slog.Any("generation_id", o.id), slog.Any("error", err))
	}

	return out, nil
}

// replayed answers with what an earlier request was answered with, as it is now.
func (s *Service) replayed(ctx context.Context, userID uuid.UUID, record *idempotency.Record) (Accepted, error) {
	g, err := s.Get(ctx, userID, record.ResourceID)
	if err != nil {
		return Accepted{}, err
	}

	balance, err := s.Credits.Balance(ctx, s.Pool, userID)

	return Accepted{Generation: g, Balance: balance, Replay: record}, err
}

// accept writes the rows of a new generation, sets aside what it may cost and fills in the answer. It
// returns what the place in it depends on.
func (s *Service) accept(ctx context.Context, tx *postgres.Tx, o order, out *Accepted) (standing, error) {
	turn, err := s.lockUser(ctx, tx, o)
	if err != nil {
		return turn, fmt.Errorf("find user %s: %w", o.UserID, err)
	}

	plan := s.Plans.Of(turn.Plan)
	if err := permits(plan, o); err != nil {
		return turn, err
	}

	if turn.waiting >= plan.QueueDepth {
		return turn, ErrQueueFull
	}

	if err := s.priceOrder(&o); err != nil {
		return turn, err
	}

	now, images := s.Now(), int64(o.parameters.NumImages)
	cost := Cost{Cost: credits.Cost{Held: o.prices.Most() * images}, Quoted: o.prices[o.model.ID] * images}

	out.Balance, err = s.Credits.Hold(ctx, tx, credits.Hold{
		UserID: o.UserID, TaskID: o.id, AutoRefundAt: now.Add(o.deadline), Credits: cost.Held,
	})
	if err != nil {
		return turn, err
	}

	if out.Generation, err = s.insert(ctx, tx, o, turn.ref, now); err != nil {
		return turn, err
	}

	out.Cost = cost

	tx.AfterCommit(func() {
		s.metrics.accepted.WithLabelValues(o.model.ID).Inc()
		s.WantAdmission()
		s.Hints.Hint(turn.ref, o.id, 1)
	})

	return turn, nil
}

// lockUser has one submit of a user at a time, and reads how the user stands.
func (s *Service) lockUser(ctx context.Context, tx pgx.Tx, o order) (turn standing, err error) {
	batch := &pgx.Batch{}

	batch.Queue(db.UserLock, o.UserID).QueryRow(func(row pgx.Row) error { return row.Scan(&turn.ref) })
	batch.Queue(db.TaskCountWaiting, o.UserID, o.model.Provider).QueryRow(func(row pgx.Row) error { return row.Scan(&turn.waiting) })
	batch.Queue(db.AdmissionHeld, o.model.Provider, o.UserID).QueryRow(func(row pgx.Row) error {
		return row.Scan(&turn.Plan, &turn.Pass, &turn.Provider, &turn.Own)
	})

	err = tx.SendBatch(ctx, batch).Close()
	if !notFound(err) {
		return turn, err
	}

	if _, err := s.db.UserEnsure(ctx, tx, o.UserID); err != nil {
		return turn, err
	}

	return s.lockUser(ctx, tx, o)
}

func (s *Service) deadline(sub Submission) (time.Duration, error) {
	if sub.DeadlineSeconds == nil {
		return s.Options.Deadline, nil
	}

	d := time.Duration(*sub.DeadlineSeconds) * time.Second
	if d < 10*time.Second || d > s.Options.MaxDeadline {
		detail := fmt.Sprintf("The deadline must be 10 to %d seconds.", int(s.Options.MaxDeadline.Seconds()))

		return 0, catalogue.ErrInvalid.WithFields(fault.Field{Pointer: "#/deadline_seconds", Keyword: "maximum", Detail: detail})
	}

	return d, nil
}

// newSupportCode returns a code that a person can read out: no letters that look alike.
func newSupportCode() string {
	const alphabet = "23456789ABCDEFGHJKMNPQRSTVWXYZ"

	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails since Go 1.24

	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}

	return string(b[:5]) + "-" + string(b[5:])
}
