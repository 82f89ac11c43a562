package upload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/jobs"
	"imagerun/internal/picture"
	"imagerun/internal/postgres"
	"imagerun/internal/storage"
	"imagerun/internal/upload/db"
	"imagerun/internal/user"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// Deps are what a [Service] works with. All are required, except where said.
type Deps struct {
	Pool     *pgxpool.Pool
	Queue    *durable.Queue
	Bucket   storage.Bucket
	Pictures *picture.Opener // nil in a process that runs no jobs
	Users    *user.Directory
	Notifier Notifier
	Log      *slog.Logger
	Now      clock.Now
	Options  Options
}

// Options are the settings; section uploads of the configuration documents them for operators.
type Options struct {
	MaxBytes   int64         // of a file
	MaxOpen    int           // of one user's, not counting what generations use
	LinkLife   time.Duration // from creation until the file must have arrived and been completed
	KeepUnused time.Duration // from the end of the inspection, or from the last use
}

// Notifier tells watchers that an upload changed. Notifications may be lost; Notify never blocks.
type Notifier interface {
	Notify(userRef string, id uuid.UUID, sequence int64)
}

// Service is the verbs of uploads. Safe for concurrent use.
type Service struct {
	Deps

	db      *db.Queries
	metrics *Metrics
	reading chan struct{} // files in memory at once
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service {
	return &Service{Deps: d, db: db.New(), metrics: newMetrics(), reading: make(chan struct{}, readingAtOnce)}
}

// Promise is what a user says of a file before sending it.
type Promise struct {
	ContentType string // image/png, image/jpeg or image/webp
	Bytes       int64
	SHA256      []byte // 32 bytes, or none: then whatever arrives is it
}

// Ticket is how to send the file.
type Ticket struct {
	URL       string // a secret until it expires
	ExpiresAt time.Time
	Limits    Limits
}

// Limits are what a file may have.
type Limits struct {
	MaxBytes  int64
	MaxPixels int // width × height
	MaxSide   int
}

// Limits returns what a file may have.
func (s *Service) Limits() Limits {
	return Limits{MaxBytes: s.Options.MaxBytes, MaxPixels: picture.MaxPixels, MaxSide: picture.MaxSide}
}

// Create makes room for a file. Errors: [ErrInvalid], [ErrTooMany], [ErrQuota].
func (s *Service) Create(ctx context.Context, userID uuid.UUID, p Promise) (Upload, Ticket, error) {
	if p.Bytes > s.Options.MaxBytes {
		return Upload{}, Ticket{}, ErrInvalid.WithFields(fault.Field{
			Pointer: "#/bytes", Keyword: "maximum", Detail: fmt.Sprintf("Send a file of at most %d bytes.", s.Options.MaxBytes),
		})
	}

	// Times that the row and the link share have the precision of the coarser one.
	now := s.Now().UTC().Truncate(time.Second)
	row := db.UploadInsertParams{
		ID: uuid.New(), UserID: userID, PromisedType: p.ContentType, PromisedBytes: p.Bytes, PromisedSha256: p.SHA256,
		CreatedAt: now, ExpiresAt: now.Add(s.Options.LinkLife),
	}

	err := postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		owner, err := s.Users.Ensure(ctx, tx, userID)
		if err != nil {
			return err
		}

		has, err := s.db.UploadTally(ctx, tx, db.UploadTallyParams{UserID: userID, Now: now, PutBefore: now.Add(-lastPut)})
		if err != nil {
			return fmt.Errorf("count uploads of %s: %w", userID, err)
		}

		if has.Open >= int64(s.Options.MaxOpen) {
			return ErrTooMany
		}

		if left := owner.Plan.UploadBytes - has.Bytes; p.Bytes > left {
			return ErrQuota.WithFields(fault.Field{
				Pointer: "#/bytes", Keyword: "plan", Detail: fmt.Sprintf("Your plan has room for %d bytes more.", max(0, left)),
			})
		}

		row.RawKey = newKey(owner.Ref, "raw")

		return fault.Wrap(s.db.UploadInsert(ctx, tx, row), "insert upload")
	})
	if err != nil {
		return Upload{}, Ticket{}, err
	}

	url, expires, err := s.Bucket.SignPut(ctx, row.RawKey, storage.Put{ContentType: p.ContentType, Size: p.Bytes, Lifetime: row.ExpiresAt.Sub(now)})
	if err != nil {
		return Upload{}, Ticket{}, fmt.Errorf("sign link of upload %s: %w", row.ID, err)
	}

	u := Upload{
		ID: row.ID, Status: StatusPending, ContentType: p.ContentType, Bytes: p.Bytes, CreatedAt: now, ExpiresAt: row.ExpiresAt,
	}

	return u, Ticket{URL: url, ExpiresAt: expires, Limits: s.Limits()}, nil
}

// Get returns one. Errors: [ErrNotFound].
func (s *Service) Get(ctx context.Context, userID, id uuid.UUID) (Upload, error) {
	row, err := s.db.UploadGet(ctx, s.Pool, db.UploadGetParams{ID: id, UserID: userID})

	switch {
	case postgres.IsNotFound(err):
		return Upload{}, ErrNotFound
	case err != nil:
		return Upload{}, fmt.Errorf("read upload %s: %w", id, err)
	}

	return s.buildUpload(row), nil
}

func (s *Service) buildUpload(r db.UploadGetRow) Upload {
	row := r.Upload
	u := Upload{
		ID: row.ID, Status: s.currentStatus(row), ContentType: row.PromisedType, Bytes: row.PromisedBytes, CreatedAt: row.CreatedAt,
	}

	switch u.Status {
	case StatusPending, StatusExpired:
		u.ExpiresAt = row.ExpiresAt
	case StatusReady:
		u.ContentType, u.Bytes, u.Width, u.Height = *row.ContentType, *row.Bytes, int(*row.Width), int(*row.Height)

		if row.SourceType != nil {
			u.SourceType = *row.SourceType
		}

		if !r.Needed {
			u.ExpiresAt = laterOf(*row.EndedAt, row.LastUsedAt).Add(s.Options.KeepUnused)
		}
	case StatusRejected:
		u.Reason, u.ExpiresAt = Reason(*row.Reason), row.EndedAt.Add(s.Options.KeepUnused)
	case StatusInspecting:
	}

	return u
}

func (s *Service) currentStatus(row db.Upload) Status {
	if Status(row.Status) == StatusPending && !s.Now().Before(row.ExpiresAt) {
		return StatusExpired
	}

	return Status(row.Status)
}

// Complete says that the file has been put: if it is the one that was promised, its inspection
// begins. Doing it again changes nothing. Errors: [ErrNotFound], [ErrExpired], [ErrNotReceived],
// [ErrMismatch].
func (s *Service) Complete(ctx context.Context, userID, id uuid.UUID) (Upload, error) {
	row, err := s.db.UploadGet(ctx, s.Pool, db.UploadGetParams{ID: id, UserID: userID})

	switch {
	case postgres.IsNotFound(err):
		return Upload{}, ErrNotFound
	case err != nil:
		return Upload{}, fmt.Errorf("read upload %s: %w", id, err)
	}

	switch s.currentStatus(row.Upload) {
	case StatusPending:
	case StatusExpired:
		return Upload{}, ErrExpired
	default:
		return s.buildUpload(row), nil
	}

	if err := s.verifyArrival(ctx, row.Upload); err != nil {
		return Upload{}, err
	}

	err = postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		u, err := s.db.UploadLockOwned(ctx, tx, db.UploadLockOwnedParams{ID: id, UserID: userID})

		switch {
		case postgres.IsNotFound(err):
			return ErrNotFound // deleted meanwhile
		case err != nil:
			return fmt.Errorf("lock upload %s: %w", id, err)
		case Status(u.Status) != StatusPending:
			return nil // another request completed it meanwhile
		}

		if err := s.db.UploadInspecting(ctx, tx, id); err != nil {
			return fmt.Errorf("begin inspection of %s: %w", id, err)
		}

		return s.stageJob(ctx, tx, jobs.InspectUpload{UploadID: id}, id)
	})
	if err != nil {
		return Upload{}, err
	}

	return s.Get(ctx, userID, id)
}

// verifyArrival compares what the bucket has with what was promised. The signature of the link bound
// both, so a difference says that the store does not keep to it.
func (s *Service) verifyArrival(ctx context.Context, u db.Upload) error {
	o, err := s.Bucket.Head(ctx, u.RawKey)
	if errors.Is(err, storage.ErrNotFound) {
		return ErrNotReceived
	} else if err != nil {
		return fmt.Errorf("look for the file of %s: %w", u.ID, err)
	}

	var wrong []fault.Field

	if o.Size != u.PromisedBytes {
		wrong = append(wrong, fault.Field{Pointer: "#/bytes", Keyword: "const", Detail: "The file that arrived has another length."})
	}

	if o.ContentType != u.PromisedType {
		wrong = append(wrong, fault.Field{Pointer: "#/content_type", Keyword: "const", Detail: "The file arrived with another Content-Type."})
	}

	if wrong != nil {
		return ErrMismatch.WithFields(wrong...)
	}

	return nil
}

// Delete removes an upload: at once for its owner, from storage shortly after. Generations made
// from it stay. Errors: [ErrNotFound].
func (s *Service) Delete(ctx context.Context, userID, id uuid.UUID) error {
	return postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		_, err := s.db.UploadLockOwned(ctx, tx, db.UploadLockOwnedParams{ID: id, UserID: userID})

		switch {
		case postgres.IsNotFound(err):
			return s.deletedBefore(ctx, tx, userID, id)
		case err != nil:
			return fmt.Errorf("lock upload %s: %w", id, err)
		}

		now := s.Now()
		if err := s.db.UploadMarkDeleted(ctx, tx, db.UploadMarkDeletedParams{ID: id, At: &now}); err != nil {
			return fmt.Errorf("mark upload %s deleted: %w", id, err)
		}

		return s.stageJob(ctx, tx, jobs.EraseUpload{UploadID: id}, id)
	})
}

// deletedBefore returns nil for an upload that is deleted already, and ErrNotFound for one that is not there.
func (s *Service) deletedBefore(ctx context.Context, tx *postgres.Tx, userID, id uuid.UUID) error {
	known, err := s.db.UploadIsOwned(ctx, tx, db.UploadIsOwnedParams{ID: id, UserID: userID})

	switch {
	case err != nil:
		return fmt.Errorf("look for deleted upload %s: %w", id, err)
	case !known:
		return ErrNotFound
	default:
		return nil
	}
}

// DeleteAll removes every upload of a user, as part of closing an account, and returns how many
// there were.
func (s *Service) DeleteAll(ctx context.Context, tx pgx.Tx, userID uuid.UUID) (int, error) {
	now := s.Now()

	ids, err := s.db.UploadMarkDeletedOfUser(ctx, tx, db.UploadMarkDeletedOfUserParams{UserID: userID, At: &now})
	if err != nil {
		return 0, fmt.Errorf("mark uploads of %s deleted: %w", userID, err)
	}

	return len(ids), s.stageErasures(ctx, tx, ids)
}

// stageErasures stages the erasure of uploads that are marked deleted.
func (s *Service) stageErasures(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	for _, id := range ids {
		if err := s.stageJob(ctx, tx, jobs.EraseUpload{UploadID: id}, id); err != nil {
			return err
		}
	}

	return nil
}

// stageJob stages the one job of its kind for an upload.
func (s *Service) stageJob(ctx context.Context, tx pgx.Tx, args queue.Args, id uuid.UUID) error {
	_, err := s.Queue.Stage(ctx, tx, args, durable.Key(jobKey(args.Kind(), id)))

	return fault.Wrap(err, "stage "+args.Kind())
}

func jobKey(kind string, id uuid.UUID) string { return kind + ":" + id.String() }

// newKey returns a key that cannot be guessed. It is not the upload's id, which its owner knows.
func newKey(ref, extension string) string {
	return fmt.Sprintf("u/%s/uploads/%s.%s", ref, uuid.New(), extension)
}

func laterOf(a time.Time, b *time.Time) time.Time {
	if b != nil && b.After(a) {
		return *b
	}

	return a
}
