package generations

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/history"
	"imagerun/internal/generation/phases"
	"imagerun/internal/postgres"
	"imagerun/internal/support"
	"imagerun/queue/durable"
)

// errSettled is in what needs no more words: nothing was changed, and why.
var errSettled = errors.New("nothing was changed")

// cancelTool cancels one generation by an operator's decision.
type cancelTool struct {
	cli.Settings
	cli.Decision

	json   bool
	ledger *credits.Ledger
}

func cancelCommand(environ []string) *cobra.Command {
	f := cancelTool{Settings: cli.Settings{Environ: environ}, ledger: credits.New(credits.Options{Now: clock.System})}

	c := &cobra.Command{
		Use:   "cancel <name>",
		Short: "Cancel a user's generation",
		Long: `Cancels a generation as its owner would: before its provider has begun it ends at once, and all of its
credits return. After that it is asked to stop, and what its provider does decides: what it stops
returns everything, what it finishes is stored and paid for. It ends as canceled, with the code
canceled_by_operator. docs/credits.md has the rule.

A request is carried out once: with the same --request, this command may be repeated without fear
when it broke off. Without one it makes one up, and says so. Who did it, why, and by which request is
a row of job_audit, beside the orders about jobs, and generations show has it.

<name> is its id (gen_…) or support code, an id from a log or a table (also of an attempt or an
image), or fal's id of the request. It needs the database alone.`,
		Example: `  imagerun generations cancel 4X9KQ-7M2AB --reason mistake --dry-run
  imagerun generations cancel gen_01990f3e4b7a7c63a2a56f8f6a0d1b11 --reason other --request ticket-4711`,
		Args: cli.OneArg("a generation"),
		RunE: func(c *cobra.Command, args []string) error {
			n, wrong := cli.ParseName(args[0])
			if err := errors.Join(wrong, f.Check()); err != nil {
				return err
			}

			return f.ConnectAs(c.Context(), config.ProcessOperator, func(cfg config.Config, pool *pgxpool.Pool) error {
				return f.cancelGeneration(c, cfg, pool, n)
			})
		},
	}
	f.Decision.AddFlags(c, "audit", "change nothing, and say what would return")
	f.Settings.AddFlag(c.Flags())
	cli.AddJSONFlag(c.Flags(), &f.json)

	return c
}

func (f *cancelTool) cancelGeneration(c *cobra.Command, cfg config.Config, pool *pgxpool.Pool, n support.Name) error {
	ctx := c.Context()

	id, err := findGeneration(ctx, pool, n)
	if err != nil {
		return err
	}

	service, err := app.NewGenerations(cfg, pool)
	if err != nil {
		return cli.InvalidConfig(err)
	}

	f.NameRequest(c.ErrOrStderr())

	var out canceled

	err = f.CarryOut(ctx, pool, postgres.RetryTx, cli.Words{Done: "carried out", Undone: errSettled}, func(tx *postgres.Tx) (err error) {
		out, err = f.cancelInTx(ctx, tx, pool, service, id)

		return err
	})
	if err != nil {
		return err
	}

	if f.json {
		out.Changed = out.Changed && !f.DryRun

		return cli.PrintJSON(c.OutOrStdout(), out)
	}

	return out.printCanceled(c.OutOrStdout())
}

// cancelInTx cancels in one transaction with the audit of it. What the same request has done before is only said.
func (f *cancelTool) cancelInTx(ctx context.Context, tx *postgres.Tx, pool *pgxpool.Pool, service *phases.Service, id uuid.UUID) (canceled, error) {
	out := canceled{DryRun: f.DryRun, Request: f.Request, GenerationID: cli.GenerationID(id)}

	before, err := f.findEarlierUse(ctx, tx, pool, id)
	if err != nil {
		return out, err
	}

	if before != nil {
		s, err := history.Inspect(ctx, tx, id)
		if err != nil {
			return out, err
		}

		costs, err := f.ledger.Costs(ctx, tx, []uuid.UUID{id})
		out.before, out.Status, out.Canceling, out.Held = before, generation.Status(s.Status), s.Canceling, costs[id].Held

		return out, err
	}

	did, err := service.CancelByOperator(ctx, tx, id)

	switch {
	case errors.Is(err, generation.ErrNotFound):
		return out, fmt.Errorf("%s is not there any more: %w", out.GenerationID, errSettled)
	case errors.Is(err, generation.ErrDeleted):
		return out, fmt.Errorf("%s was deleted by its owner, which cancels it: %w", out.GenerationID, errSettled)
	case errors.Is(err, generation.ErrNotCancelable):
		return out, fmt.Errorf("%s has ended, and not as canceled: %w", out.GenerationID, errSettled)
	case err != nil:
		return out, err
	}

	out.Changed, out.Status, out.Canceling, out.Returned, out.Held = did.Changed, did.Status, did.Canceling, did.Returned, did.Cost.Held
	if !out.Changed {
		return out, nil
	}

	return out, cli.NewAdmin(pool).RecordCancel(ctx, tx, durable.Decision{Operator: f.Operator, Reason: f.Reason, Request: f.Request, About: id})
}

// findEarlierUse returns what the request did to this generation before, and refuses one that did something else.
func (f *cancelTool) findEarlierUse(ctx context.Context, tx pgx.Tx, pool *pgxpool.Pool, id uuid.UUID) (*durable.Decision, error) {
	if err := f.LockRequest(ctx, tx); err != nil {
		return nil, err
	}

	d, err := cli.NewAdmin(pool).Decided(ctx, tx, f.Request)

	switch {
	case err == nil && d.About == id:
		return &d, nil
	case err == nil:
		return nil, fmt.Errorf("%s: %w", f.UsedFor(d), errSettled)
	case !errors.Is(err, durable.ErrNotFound):
		return nil, err
	}

	for _, key := range f.LedgerKeys() {
		if e, err := f.ledger.Booked(ctx, tx, key); err == nil {
			return nil, fmt.Errorf("request %s was used for something else, on %s: %+d %s: %w", f.Request, cli.FormatTime(&e.At), e.Credits(), cli.DescribeEntry(e), errSettled)
		} else if !errors.Is(err, credits.ErrNotBooked) {
			return nil, err
		}
	}

	return nil, nil //nolint:nilnil // nothing was done with it
}
