package credits

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/cli"
	"imagerun/internal/credits"
	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

// bookNothing is what a dry run does.
const bookNothing = "book nothing, and show what would be booked"

// errNotBooked is in what needs no more words: nothing was booked, and why.
var errNotBooked = errors.New("nothing was booked")

func refuseBooking(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errNotBooked)...)
}

// outcome is what came of it, for programs.
type outcome struct {
	Booked  bool        `json:"booked"` // false: it was before, or this is a dry run
	DryRun  bool        `json:"dry_run"`
	Request string      `json:"request"`
	UserID  uuid.UUID   `json:"user_id"`
	Entries []cli.Entry `json:"entries"`
	Balance cli.Balance `json:"balance"`
}

// carryOut books, in one transaction with what is shown of it.
func (f *tool) carryOut(ctx context.Context, w io.Writer, pool *pgxpool.Pool, d *cli.Decision, userID uuid.UUID, key string, do func(pgx.Tx) (bool, error)) error {
	var (
		fresh   bool
		entries []credits.Entry
		after   credits.Balance
	)

	err := d.CarryOut(ctx, pool, postgres.InTx, cli.Words{Done: "booked", Undone: errNotBooked}, func(tx *postgres.Tx) (err error) {
		if err := d.LockRequest(ctx, tx); err != nil {
			return err
		}

		if before, err := cli.NewAdmin(pool).Decided(ctx, tx, d.Request); err == nil {
			return refuseBooking("%s", d.UsedFor(before))
		} else if !errors.Is(err, durable.ErrNotFound) {
			return err
		}

		other, err := f.findOtherUse(ctx, tx, d, key)
		if err != nil {
			return err
		}

		if other != "" {
			key = other

			return credits.ErrMismatch
		}

		if fresh, err = do(tx); err != nil {
			return err
		}

		if entries, err = f.readBooked(ctx, tx, userID, key, fresh); err != nil {
			return err
		}

		after, err = f.ledger.Balance(ctx, tx, userID)

		return err
	})

	switch {
	case errors.Is(err, credits.ErrMismatch):
		return f.explainMismatch(ctx, pool, d, key)
	case err != nil:
		return err
	}

	if f.json {
		return cli.PrintJSON(w, outcome{fresh && !d.DryRun, d.DryRun, d.Request, userID, cli.Entries(entries), cli.Balance(after)})
	}

	return printOutcome(w, d, fresh, entries, after)
}

// findOtherUse returns the key under which a request was booked, if not under this one.
func (f *tool) findOtherUse(ctx context.Context, tx pgx.Tx, d *cli.Decision, key string) (string, error) {
	for _, other := range d.LedgerKeys() {
		if other == key {
			continue
		}

		if _, err := f.ledger.Booked(ctx, tx, other); !errors.Is(err, credits.ErrNotBooked) {
			return other, err
		}
	}

	return "", nil
}

// readBooked returns what was booked with a key: with all that followed from it, if that was just now.
func (f *tool) readBooked(ctx context.Context, tx pgx.Tx, userID uuid.UUID, key string, fresh bool) ([]credits.Entry, error) {
	own, err := f.ledger.Booked(ctx, tx, key)
	if err != nil || !fresh {
		return []credits.Entry{own}, err
	}

	list, err := f.ledger.Entries(ctx, tx, userID, 0, 100)
	list = slices.DeleteFunc(list, func(e credits.Entry) bool { return !e.At.Equal(own.At) })
	slices.Reverse(list)

	return list, err
}

func (f *tool) explainMismatch(ctx context.Context, pool *pgxpool.Pool, d *cli.Decision, key string) error {
	e, err := f.ledger.Booked(ctx, pool, key)
	if err != nil {
		return err
	}

	return fmt.Errorf("request %s was used for something else, and nothing was booked now. It was, on %s: %+d %s", d.Request, cli.FormatTime(&e.At), e.Credits(), cli.DescribeEntry(e))
}

func printOutcome(w io.Writer, d *cli.Decision, fresh bool, entries []credits.Entry, after credits.Balance) error {
	switch {
	case !fresh:
		cli.PrintLine(w, "request %s was booked before; nothing was changed:", d.Request)
	case d.DryRun:
		cli.PrintLine(w, "a dry run: nothing was booked. This would be:")
	default:
		cli.PrintLine(w, "booked, by request %s:", d.Request)
	}

	if err := cli.PrintEntries(w, entries); err != nil {
		return err
	}

	then := "now"
	if d.DryRun && fresh {
		then = "then"
	}

	_, err := fmt.Fprintf(w, "%s: %d available, %d held, %d debt\n", then, after.Available, after.Held, after.Debt)

	return err
}
