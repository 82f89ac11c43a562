package credits

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/jobs"
	"imagerun/queue"
)

// maxExpired is how many grants are looked for at a time.
const maxExpired = 500

// Jobs are what is done with the ledger on a clock.
type Jobs struct {
	ledger *Ledger
	pool   *pgxpool.Pool
	log    *slog.Logger
}

// NewJobs returns the jobs of a ledger.
func NewJobs(ledger *Ledger, pool *pgxpool.Pool, log *slog.Logger) *Jobs {
	return &Jobs{ledger: ledger, pool: pool, log: log}
}

// Register makes j the handler of the ledger's jobs.
func (j *Jobs) Register(r *queue.Registry) {
	queue.Register(r, expirer{j})
	queue.Register(r, auditor{j})
}

// expirer books the expiry of grants.
type expirer struct{ *Jobs }

// Handle books what is due, until nothing is.
func (h expirer) Handle(ctx context.Context, _ *queue.Job[jobs.ExpireCredits]) error {
	for {
		n, err := h.ledger.Expire(ctx, h.pool, maxExpired)
		if err != nil || n == 0 {
			return err
		}

		h.log.InfoContext(ctx, "credits expired", slog.Int("subjects", n))
	}
}

// auditor looks for what must never be.
type auditor struct{ *Jobs }

// Handle audits all ledgers, and notes what it found for the alarms.
func (h auditor) Handle(ctx context.Context, _ *queue.Job[jobs.AuditCredits]) error {
	broken, err := AuditAll(ctx, h.pool, h.ledger.Now, func(Checked) {})
	if err != nil {
		return err
	}

	for _, v := range broken {
		h.log.ErrorContext(ctx, "ledger invariant violated",
			slog.String("invariant", v.Invariant), slog.Any("subject", v.Subject), slog.String("what", v.What))
	}

	return RecordAudit(ctx, h.pool, h.ledger.Now(), broken)
}
