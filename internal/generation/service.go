package generation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/idempotency"
	"imagerun/internal/picture"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/internal/storage"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// Deps are what a [Service] works with. All are required, except where said.
type Deps struct {
	Pool      *pgxpool.Pool
	Queue     *durable.Queue
	Provider  providers.Provider // nil in a process that runs no jobs
	Bucket    storage.Bucket
	Pictures  *picture.Opener // nil in a process that runs no jobs
	Catalogue *catalogue.Catalogue
	Plans     *catalogue.Plans
	Hints     Hinter
	Log       *slog.Logger
	Now       clock.Now
	Options   Options
}

// Options are the settings; config.go's section generation documents them for operators.
type Options struct {
	Slots          int           // generations in progress at the provider, over all users
	Deadline       time.Duration // from submit to expiry, unless the caller says
	MaxDeadline    time.Duration // the longest the caller may say
	UnknownWait    time.Duration // how long a callback may solve an unknown submit before we ask
	CollectFirst   time.Duration // from submit to the first look, where callbacks are expected
	CollectEvery   time.Duration // from look to look, where callbacks are expected
	PollEvery      time.Duration // from look to look, where none can come
	OutputLifetime time.Duration // how long the provider keeps its copy of the output
	CallbackURL    string        // public base of the callbacks; empty: none can come
	CallbackSecret redact.Secret // signs the callbacks' tokens
}

// Hinter tells watchers, wherever they are, that a generation changed. Hints may be lost; Hint
// never blocks.
type Hinter interface {
	Hint(userRef string, id uuid.UUID, sequence int64)
}

// Service is the verbs of generations. Safe for concurrent use.
type Service struct {
	Deps

	db      *db.Queries
	admit   chan struct{} // one waiting wish to admit is enough
	breaker *accountBreaker
	metrics *Metrics
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service {
	return &Service{
		Deps:    d,
		db:      db.New(),
		admit:   make(chan struct{}, 1),
		breaker: &accountBreaker{now: d.Now},
		metrics: newMetrics(),
	}
}

// Models lists the catalogue.
func (s *Service) Models() []catalogue.Model { return s.Catalogue.Models }

// Submit accepts a request for images: idempotency record, task and images in one transaction.
// A replay of an earlier request returns that one's generation and its record. Nothing outside
// Postgres is called. Errors: [catalogue.ErrInvalid], [ErrQueueFull], those of [idempotency.Begin].
func (s *Service) Submit(ctx context.Context, sub Submission) (Generation, *idempotency.Record, error) {
	model, params, err := s.Catalogue.Resolve(sub.Request)
	if err != nil {
		return Generation{}, nil, err
	}

	deadline, err := s.deadline(sub)
	if err != nil {
		return Generation{}, nil, err
	}

	id := uuid.New()

	var replay *idempotency.Record

	err = postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		if sub.IdempotencyKey != "" {
			replay, err = idempotency.Begin(ctx, tx, sub.UserID, sub.IdempotencyKey, sub.Fingerprint)
			if err != nil || replay != nil {
				return err
			}
		}

		if err := s.accept(ctx, tx, id, sub, model, params, deadline); err != nil {
			return err
		}

		if sub.IdempotencyKey != "" {
			record := idempotency.Record{ResourceID: id, Status: 202}

			return idempotency.Finish(ctx, tx, sub.UserID, sub.IdempotencyKey, sub.Fingerprint, record)
		}

		return nil
	})
	if err != nil {
		return Generation{}, nil, err
	}

	if replay != nil {
		id = replay.ResourceID
	}

	g, err := s.Get(ctx, sub.UserID, id)

	return g, replay, err
}

// accept writes the rows of a new generation.
func (s *Service) accept(ctx context.Context, tx *postgres.Tx, id uuid.UUID, sub Submission, m catalogue.Model, p catalogue.Parameters, deadline time.Duration) error {
	user, err := s.db.UserEnsure(ctx, tx, sub.UserID)
	if err != nil {
		return fmt.Errorf("find user %s: %w", sub.UserID, err)
	}

	plan, ok := s.Plans.Find(user.Plan)
	if !ok {
		plan, _ = s.Plans.Find(catalogue.DefaultPlan)
	}

	waiting, err := s.db.TaskCountWaiting(ctx, tx, db.TaskCountWaitingParams{UserID: sub.UserID, Provider: m.Provider})
	if err != nil {
		return fmt.Errorf("count waiting generations: %w", err)
	}

	if waiting >= int64(plan.QueueDepth) {
		return ErrQueueFull
	}

	parameters, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode parameters: %w", err)
	}

	metadata := sub.Metadata
	if len(metadata) == 0 {
		metadata = json.RawMessage(`{}`)
	}

	var negative redact.Personal
	if sub.NegativePrompt != nil {
		negative = *sub.NegativePrompt
	}

	now := s.Now()

	err = s.db.TaskInsert(ctx, tx, db.TaskInsertParams{
		ID: id, UserID: sub.UserID, Provider: m.Provider, Model: m.ID, CatalogueHash: s.Catalogue.Hash,
		Prompt: sub.Prompt, NegativePrompt: negative, Parameters: parameters, Metadata: metadata,
		SupportCode: newSupportCode(), CreatedAt: now, DeadlineAt: now.Add(deadline),
	})
	if err != nil {
		return fmt.Errorf("insert generation: %w", err)
	}

	images := make([]db.ImageInsertParams, p.NumImages)
	for i := range images {
		base := fmt.Sprintf("u/%s/%s/%s", user.Ref, id, uuid.New())
		images[i] = db.ImageInsertParams{
			ID: uuid.New(), TaskID: id, Index: int16(i),
			Key: base + "." + extension(p.OutputFormat), ThumbnailKey: base + ".thumb.jpg",
		}
	}

	if _, err := s.db.ImageInsert(ctx, tx, images); err != nil {
		return fmt.Errorf("insert images: %w", err)
	}

	err = s.db.EventInsert(ctx, tx, db.EventInsertParams{TaskID: id, Sequence: 1, Status: string(StatusQueued), At: now})
	if err != nil {
		return fmt.Errorf("insert event: %w", err)
	}

	s.metrics.accepted.WithLabelValues(m.ID).Inc()
	tx.AfterCommit(s.WantAdmission)

	return nil
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

// stage stages a job in the transaction; its key makes it the only live one of its kind.
func (s *Service) stage(ctx context.Context, tx pgx.Tx, args queue.Args, key uuid.UUID, after time.Duration) error {
	opts := []durable.StageOption{durable.Key(jobKey(args.Kind(), key))}
	if after > 0 {
		opts = append(opts, durable.After(after))
	}

	_, err := s.Queue.Stage(ctx, tx, args, opts...)

	return err
}

func jobKey(kind string, id uuid.UUID) string { return kind + ":" + id.String() }

func notFound(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
