package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/jobs"
	"imagerun/internal/plan"
	"imagerun/internal/postgres"
	"imagerun/internal/support"
	"imagerun/internal/user"
	"imagerun/queue/durable"
)

// errSettled is in what needs no more words: nothing was changed, and why.
var errSettled = errors.New("nothing was changed")

// cancelTool cancels one generation by an operator's decision.
type cancelTool struct {
	decision

	environ []string
	file    string
	json    bool
	ledger  *credits.Ledger
}

func cancelCommand(environ []string) *cobra.Command {
	f := cancelTool{environ: environ, ledger: credits.New(credits.Options{Now: clock.System})}

	c := &cobra.Command{
		Use:   "cancel <name>",
		Short: "Cancel a generation, whoever's it is",
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
		Args: one("a generation"),
		RunE: func(c *cobra.Command, args []string) error {
			n, wrong := parseName(args[0])
			if err := errors.Join(wrong, f.check()); err != nil {
				return err
			}

			return connected(c.Context(), f.file, f.environ, func(pool *pgxpool.Pool) error { return f.cancel(c, pool, n) })
		},
	}
	f.flags(c)
	c.Flags().Lookup("by").Usage = "who does this: your login, for the audit"
	c.Flags().Lookup("dry-run").Usage = "change nothing, and say what would return"
	c.Flags().StringVar(&f.file, "config", "", "the YAML file to read; the environment wins over it")
	c.Flags().BoolVar(&f.json, "json", false, "answer in JSON, for programs")

	return c
}

func (f *cancelTool) cancel(c *cobra.Command, pool *pgxpool.Pool, n support.Name) error {
	ctx := c.Context()

	id, err := findGeneration(ctx, pool, n)
	if err != nil {
		return err
	}

	service, err := cancelService(pool, f.ledger)
	if err != nil {
		return err
	}

	f.named(c.ErrOrStderr())

	var (
		out   canceled
		ended bool // only the commit was missing
	)

	err = postgres.RetryTx(ctx, pool, func(tx *postgres.Tx) (err error) {
		ended = false

		if out, err = f.carryOut(ctx, tx, pool, service, id); err != nil || !f.dryRun {
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
	case errors.Is(err, errSettled):
		return err
	case err != nil && !ended:
		return fmt.Errorf("%w: %w", errSettled, err)
	case err != nil:
		return fmt.Errorf("it is not known whether this was carried out: repeat it with --request %s, and it is carried out once: %w", f.request, err)
	}

	if f.json {
		out.Changed = out.Changed && !f.dryRun

		return printJSON(c.OutOrStdout(), out)
	}

	return out.print(c.OutOrStdout())
}

// carryOut cancels in one transaction with the audit of it. What the same request has done before is only said.
func (f *cancelTool) carryOut(ctx context.Context, tx *postgres.Tx, pool *pgxpool.Pool, service *generation.Service, id uuid.UUID) (canceled, error) {
	out := canceled{DryRun: f.dryRun, Request: f.request, GenerationID: generationID(id)}

	before, err := f.otherUse(ctx, tx, pool, id)
	if err != nil {
		return out, err
	}

	if before != nil {
		s, err := generation.Inspect(ctx, tx, id)
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

	return out, adminOf(pool).RecordCancel(ctx, tx, durable.Decision{Operator: f.operator, Reason: f.reason, Request: f.request, About: id})
}

// otherUse returns what the request did to this generation before, and refuses one that did something else.
func (f *cancelTool) otherUse(ctx context.Context, tx pgx.Tx, pool *pgxpool.Pool, id uuid.UUID) (*durable.Decision, error) {
	if err := lockRequest(ctx, tx, f.request); err != nil {
		return nil, err
	}

	d, err := adminOf(pool).Decided(ctx, tx, f.request)

	switch {
	case err == nil && d.About == id:
		return &d, nil
	case err == nil:
		return nil, fmt.Errorf("request %s was used for something else: for a %s of %s, on %s: %w",
			f.request, d.Action, generationID(d.About), stamp(&d.At), errSettled)
	case !errors.Is(err, durable.ErrNotFound):
		return nil, err
	}

	for _, key := range requestKeys(f.request) {
		if e, err := f.ledger.Booked(ctx, tx, key); err == nil {
			return nil, fmt.Errorf("request %s was used for something else, on %s: %+d %s: %w", f.request, stamp(&e.At), e.Credits(), what(e), errSettled)
		} else if !errors.Is(err, credits.ErrNotBooked) {
			return nil, err
		}
	}

	return nil, nil //nolint:nilnil // nothing was done with it
}

// noHints is for who has no Redis: what watches a generation looks at it every few seconds all the same.
type noHints struct{}

// Hint implements generation.Hinter.
func (noHints) Hint(string, uuid.UUID, int64) {}

// cancelService is as much of the domain as a cancel needs. Jobs are woken in the database; a scheduler pushes them.
func cancelService(pool *pgxpool.Pool, ledger *credits.Ledger) (*generation.Service, error) {
	models, err := catalogue.Load(nil)
	if err != nil {
		return nil, err
	}

	plans, err := plan.Load(nil)
	if err != nil {
		return nil, err
	}

	return generation.New(generation.Deps{
		Pool: pool, Queue: durable.New(pool, jobs.Kinds(), durable.Options{}), Catalogue: models, Plans: plans, Users: user.New(pool, plans, clock.System), Credits: ledger,
		Hints: noHints{}, Log: slog.New(slog.DiscardHandler), Now: clock.System,
	}), nil
}
