package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

// mostCredits is as much as one grant may be: a zero too many is quickly typed.
const mostCredits = 1_000_000

func (f *creditsTool) grantCommand() *cobra.Command {
	var (
		d     decision
		until expiryFlag
	)

	c := &cobra.Command{
		Use:   "grant USER CREDITS",
		Short: "Give somebody credits",
		Long: `Gives somebody credits: "Credits from our support." is what they read. Whoever owes some pays that
first. A request is booked once: with the same --request, this command may be repeated without fear
when it broke off. Without one it makes one up, and says so first.

` + whom,
		Example: `  imagerun credits grant 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11 50 --reason goodwill --request ticket-4711
  imagerun credits grant 4X9KQ-7M2AB 20 --reason mistake --expires 90d --dry-run`,
		Args: func(c *cobra.Command, args []string) error {
			return refuse(len(args) != 2, "%s takes two arguments, a user and how many credits", c.CommandPath())
		},
		RunE: func(c *cobra.Command, args []string) error {
			n, wrong := parseCredits(args[1])
			if err := errors.Join(wrong, refuse(n > mostCredits, "CREDITS: at most %d at once", mostCredits), d.check()); err != nil {
				return err
			}

			return f.of(c.Context(), args[0], func(ctx context.Context, pool *pgxpool.Pool, userID uuid.UUID) error {
				d.named(c.ErrOrStderr())

				reference := "adjust:" + d.request

				return f.carryOut(ctx, c.OutOrStdout(), pool, &d, userID, "grant:"+reference, func(tx pgx.Tx) (bool, error) {
					subject, err := f.ledger.Subject(ctx, tx, userID)
					if err != nil {
						return false, err
					}

					return f.ledger.Grant(ctx, tx, credits.Grant{
						Subject: subject, Source: credits.SourceOperator, Reference: reference, Credits: n, ExpiresAt: until.at(clock.System()),
						Actor: d.operator, Reason: credits.Reason(d.reason),
					})
				})
			})
		},
	}
	d.flags(c)
	c.Flags().Var(&until, "expires", "when: a day that is still good (2027-01-31, UTC), or after how long (90d, 72h); without it, never")

	return c
}

// decision is what an operator decided, and how it is to be carried out.
type decision struct {
	operator, reason, request string
	dryRun                    bool
}

// outcome is what came of it, for programs.
type outcome struct {
	Booked  bool        `json:"booked"` // false: it was before, or this is a dry run
	DryRun  bool        `json:"dry_run"`
	Request string      `json:"request"`
	UserID  uuid.UUID   `json:"user_id"`
	Entries []entryJSON `json:"entries"`
	Balance creditsJSON `json:"balance"`
}

// errDryRun rolls a transaction back that has shown what it would do.
var errDryRun = errors.New("a dry run")

// carryOut books, in one transaction with what is shown of it.
func (f *creditsTool) carryOut(ctx context.Context, w io.Writer, pool *pgxpool.Pool, d *decision, userID uuid.UUID, key string, do func(pgx.Tx) (bool, error)) error {
	var (
		fresh   bool
		ended   bool // only the commit was missing
		entries []credits.Entry
		after   credits.Balance
	)

	err := postgres.InTx(ctx, pool, func(tx *postgres.Tx) (err error) {
		if err := lockRequest(ctx, tx, d.request); err != nil {
			return err
		}

		if c, err := adminOf(pool).Decided(ctx, tx, d.request); err == nil {
			return plain("request %s was used for something else: for a %s of %s, on %s", d.request, c.Action, generationID(c.About), stamp(&c.At))
		} else if !errors.Is(err, durable.ErrNotFound) {
			return err
		}

		other, err := f.otherUse(ctx, tx, d.request, key)
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

		if entries, err = f.booked(ctx, tx, userID, key, fresh); err != nil {
			return err
		}

		if after, err = f.ledger.Balance(ctx, tx, userID); err != nil || !d.dryRun {
			ended = err == nil

			return err
		}

		// What the database checks at the commit.
		if _, err = tx.Exec(ctx, "set constraints all immediate"); err != nil {
			return err
		}

		return errDryRun
	})

	switch {
	case errors.Is(err, errDryRun):
	case errors.Is(err, credits.ErrMismatch):
		return f.mismatch(ctx, pool, d, key)
	case errors.Is(err, errPlain):
		return err
	case err != nil && !ended:
		return fmt.Errorf("nothing was booked: %w", err)
	case err != nil:
		return fmt.Errorf("it is not known whether this was booked: repeat it with --request %s, and it is booked once: %w", d.request, err)
	}

	if f.json {
		return printJSON(w, outcome{fresh && !d.dryRun, d.dryRun, d.request, userID, entriesJSON(entries), creditsJSON(after)})
	}

	return printOutcome(w, d, fresh, entries, after)
}

// requestKeys are those under which the ledger has what operators decided, by the name of a request: one name is one
// decision, whatever it was.
func requestKeys(request string) []string {
	return []string{"grant:adjust:" + request, "refund:" + request}
}

// lockRequest has whoever decides something with the same request at this moment wait.
func lockRequest(ctx context.Context, tx pgx.Tx, request string) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('credits.request:' || $1, 0))", request); err != nil {
		return fmt.Errorf("lock the request: %w", err)
	}

	return nil
}

// otherUse returns the key under which a request was booked, if not under this one.
func (f *creditsTool) otherUse(ctx context.Context, tx pgx.Tx, request, key string) (string, error) {
	for _, other := range requestKeys(request) {
		if other == key {
			continue
		}

		if _, err := f.ledger.Booked(ctx, tx, other); !errors.Is(err, credits.ErrNotBooked) {
			return other, err
		}
	}

	return "", nil
}

// booked returns what was booked with a key: with all that followed from it, if that was just now.
func (f *creditsTool) booked(ctx context.Context, tx pgx.Tx, userID uuid.UUID, key string, fresh bool) ([]credits.Entry, error) {
	own, err := f.ledger.Booked(ctx, tx, key)
	if err != nil || !fresh {
		return []credits.Entry{own}, err
	}

	list, err := f.ledger.Entries(ctx, tx, userID, 0, 100)
	list = slices.DeleteFunc(list, func(e credits.Entry) bool { return !e.At.Equal(own.At) })
	slices.Reverse(list)

	return list, err
}

func (f *creditsTool) mismatch(ctx context.Context, pool *pgxpool.Pool, d *decision, key string) error {
	e, err := f.ledger.Booked(ctx, pool, key)
	if err != nil {
		return err
	}

	return fmt.Errorf("request %s was used for something else, and nothing was booked now. It was, on %s: %+d %s", d.request, stamp(&e.At), e.Credits(), what(e))
}

func printOutcome(w io.Writer, d *decision, fresh bool, entries []credits.Entry, after credits.Balance) error {
	switch {
	case !fresh:
		line(w, "request %s was booked before; nothing was changed:", d.request)
	case d.dryRun:
		line(w, "a dry run: nothing was booked. This would be:")
	default:
		line(w, "booked, by request %s:", d.request)
	}

	if err := entryTable(w, entries); err != nil {
		return err
	}

	then := "now"
	if d.dryRun && fresh {
		then = "then"
	}

	_, err := fmt.Fprintf(w, "%s: %d available, %d held, %d debt\n", then, after.Available, after.Held, after.Debt)

	return err
}
