package generation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
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

	var out Accepted

	err = postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		if sub.IdempotencyKey != "" {
			out.Replay, err = idempotency.Begin(ctx, tx, sub.UserID, sub.IdempotencyKey, sub.Fingerprint)
			if err != nil || out.Replay != nil {
				return err
			}
		}

		if sub.Reference != nil {
			if err := s.refer(ctx, tx, &o); err != nil {
				return err
			}
		}

		if out.Balance, err = s.accept(ctx, tx, o); err != nil {
			return err
		}

		if sub.IdempotencyKey != "" {
			record := idempotency.Record{ResourceID: o.id, Status: 202}

			return idempotency.Finish(ctx, tx, sub.UserID, sub.IdempotencyKey, sub.Fingerprint, record)
		}

		return nil
	})
	if err != nil {
		return Accepted{}, err
	}

	if out.Replay != nil {
		return s.replayed(ctx, sub.UserID, out.Replay)
	}

	out.Generation, err = s.Get(ctx, sub.UserID, o.id)

	return out, err
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

// accept writes the rows of a new generation and sets aside what it may cost.
func (s *Service) accept(ctx context.Context, tx *postgres.Tx, o order) (credits.Balance, error) {
	var balance credits.Balance

	user, err := s.db.UserEnsure(ctx, tx, o.UserID)
	if err != nil {
		return balance, fmt.Errorf("find user %s: %w", o.UserID, err)
	}

	plan := s.Plans.Of(user.Plan)
	if err := permits(plan, o); err != nil {
		return balance, err
	}

	waiting, err := s.db.TaskCountWaiting(ctx, tx, db.TaskCountWaitingParams{UserID: o.UserID, Provider: o.model.Provider})
	if err != nil {
		return balance, fmt.Errorf("count waiting generations: %w", err)
	}

	if waiting >= int64(plan.QueueDepth) {
		return balance, ErrQueueFull
	}

	if err := s.priceOrder(&o); err != nil {
		return balance, err
	}

	now := s.Now()
	if err := s.insert(ctx, tx, o, now); err != nil {
		return balance, err
	}

	if err := s.insertImages(ctx, tx, o, user.Ref); err != nil {
		return balance, err
	}

	event := db.EventInsertParams{TaskID: o.id, UserID: o.UserID, Sequence: 1, Status: string(StatusQueued), At: now}
	if err := s.record(ctx, tx, event); err != nil {
		return balance, err
	}

	balance, err = s.Credits.Hold(ctx, tx, credits.Hold{
		UserID: o.UserID, TaskID: o.id, AutoRefundAt: now.Add(o.deadline), Credits: o.prices.Most() * int64(o.parameters.NumImages),
	})
	if err != nil {
		return balance, err
	}

	s.metrics.accepted.WithLabelValues(o.model.ID).Inc()
	tx.AfterCommit(s.WantAdmission)
	tx.AfterCommit(func() { s.Hints.Hint(user.Ref, o.id, 1) })

	return balance, nil
}

func (s *Service) insert(ctx context.Context, tx pgx.Tx, o order, now time.Time) error {
	parameters, err := json.Marshal(o.parameters)
	if err != nil {
		return fmt.Errorf("encode parameters: %w", err)
	}

	prices, err := json.Marshal(o.prices)
	if err != nil {
		return fmt.Errorf("encode prices: %w", err)
	}

	row := db.TaskInsertParams{
		ID: o.id, UserID: o.UserID, Provider: o.model.Provider, Model: o.model.ID, CatalogueHash: s.Catalogue.Hash,
		Prompt: o.Prompt, Parameters: parameters, Metadata: o.Metadata, ReferenceKey: textOrNil(o.referenceKey),
		SupportCode: newSupportCode(), CreatedAt: now, DeadlineAt: now.Add(o.deadline), RemixOf: o.RemixOf, Prices: prices,
	}

	if len(row.Metadata) == 0 {
		row.Metadata = json.RawMessage(`{}`)
	}

	if o.NegativePrompt != nil {
		row.NegativePrompt = *o.NegativePrompt
	}

	if o.Reference != nil {
		row.ReferenceUploadID = &o.Reference.UploadID
	}

	return wrap(s.db.TaskInsert(ctx, tx, row), "insert generation")
}

// insertImages commits the rows of the images to come, and with them the keys of their objects.
func (s *Service) insertImages(ctx context.Context, tx pgx.Tx, o order, userRef string) error {
	images := make([]db.ImageInsertParams, o.parameters.NumImages)
	for i := range images {
		base := fmt.Sprintf("u/%s/%s/%s", userRef, o.id, uuid.New())
		images[i] = db.ImageInsertParams{
			ID: uuid.New(), TaskID: o.id, Index: int16(i),
			Key: base + "." + extension(o.parameters.OutputFormat), ThumbnailKey: base + ".thumb.jpg",
		}
	}

	_, err := s.db.ImageInsert(ctx, tx, images)

	return wrap(err, "insert images")
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

func extension(format string) string {
	if format == "jpeg" {
		return "jpg"
	}

	return format
}
