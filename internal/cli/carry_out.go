package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

// errDryRun rolls a transaction back that has shown what it would do.
var errDryRun = errors.New("a dry run")

// Words are how errors speak of a decision.
type Words struct {
	Done   string // what is done with it, such as "booked"
	Undone error  // that this did not happen; an error that wraps it says why
}

// Begin is [postgres.InTx] or [postgres.RetryTx].
type Begin func(ctx context.Context, pool postgres.Pool, fn func(*postgres.Tx) error) error

// CarryOut runs do in one transaction; a dry run takes it back after what the database checks at the commit. Its error says
// whether something was done: nothing ([Words].Undone is in it), or that it is not known, and how to find out.
func (d *Decision) CarryOut(ctx context.Context, pool postgres.Pool, begin Begin, words Words, do func(*postgres.Tx) error) error {
	ended := false // only the commit is missing

	err := begin(ctx, pool, func(tx *postgres.Tx) error {
		ended = false

		if err := do(tx); err != nil {
			return err
		}

		if !d.DryRun {
			ended = true

			return nil
		}

		if _, err := tx.Exec(ctx, "set constraints all immediate"); err != nil {
			return err
		}

		return errDryRun
	})

	switch {
	case err == nil || errors.Is(err, errDryRun):
		return nil
	case errors.Is(err, words.Undone):
		return err
	case !ended:
		return fmt.Errorf("%w: %w", words.Undone, err)
	default:
		return fmt.Errorf("it is not known whether this was %s: repeat it with --request %s, and it is %s once: %w", words.Done, d.Request, words.Done, err)
	}
}

// LockRequest has a decision that is made with the same request at this moment wait.
func (d *Decision) LockRequest(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('credits.request:' || $1, 0))", d.Request); err != nil {
		return fmt.Errorf("lock the request: %w", err)
	}

	return nil
}

// LedgerKeys are those under which the ledger has what operators decided, by the name of the request: one name is one
// decision, whatever it was.
func (d *Decision) LedgerKeys() []string {
	return []string{"grant:adjust:" + d.Request, "refund:" + d.Request}
}

// UsedFor says that the request decided something else before.
func (d *Decision) UsedFor(before durable.Decision) string {
	return fmt.Sprintf("request %s was used for something else: for a %s of %s, on %s", d.Request, before.Action, GenerationID(before.About), FormatTime(&before.At))
}
