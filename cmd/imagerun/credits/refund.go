package credits

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/credits"
	"imagerun/internal/support"
)

// refund is what is to be given back.
type refund struct {
	cli.Decision

	credits, image countFlag
}

func (f *tool) refundCommand() *cobra.Command {
	var r refund

	c := &cobra.Command{
		Use:   "refund GENERATION",
		Short: "Give back what images of a generation cost",
		Long: `Gives back what a generation cost: all of it that was not given back before, or --credits of it, or
the price of one image. Never more than it cost. What comes back lasts as long as what was spent,
and 72 hours at least.

An image is given back once. Otherwise a request is booked once: with the same --request, this
command may be repeated without fear when it broke off. Without one it makes one up, and says so.

GENERATION is its id (gen_…, or as logs have it) or its support code.`,
		Example: `  imagerun credits refund 4X9KQ-7M2AB --image 2 --reason quality --dry-run
  imagerun credits refund gen_01990f3e4b7a7c63a2a56f8f6a0d1b11 --reason not_delivered --request ticket-4711
  imagerun credits refund 4X9KQ-7M2AB --credits 5 --reason goodwill --json`,
		Args: cli.OneArg("a generation"),
		RunE: func(c *cobra.Command, args []string) error {
			n, wrong := cli.ParseName(args[0])
			if err := errors.Join(wrong, r.validateFlags()); err != nil {
				return err
			}

			return f.Connect(c.Context(), func(pool *pgxpool.Pool) error {
				return f.refundTask(c, pool, &r, n)
			})
		},
	}
	r.AddFlags(c, "ledger", bookNothing)
	c.Flags().Var(&r.credits, "credits", "so many, instead of all that it cost")
	c.Flags().Var(&r.image, "image", "the price of this image; the first is 1, as in the ledger's sentences")

	return c
}

func (r *refund) validateFlags() error {
	return errors.Join(
		cli.Refuse(r.credits > 0 && r.image > 0, "--credits or --image: which of them?"),
		cli.Refuse(r.image > 0 && r.Request != "", "--request: an image is given back once, whatever the request; leave it out"),
		r.Decision.Check(),
	)
}

func (f *tool) refundTask(c *cobra.Command, pool *pgxpool.Pool, r *refund, n support.Name) error {
	ctx := c.Context()

	taskID, err := f.findTask(ctx, pool, n)
	if err != nil {
		return err
	}

	userID, err := f.ledger.Holder(ctx, pool, taskID)

	switch {
	case errors.Is(err, credits.ErrNoHold):
		return refuseBooking("no credits were ever set aside for %s", n.Text)
	case err != nil:
		return err
	case userID == uuid.Nil:
		return refuseBooking("the account of %s is erased, and nobody could spend them", n.Text)
	}

	if r.image > 0 {
		r.Request = fmt.Sprintf("%s:%d", taskID, r.image-1)
	}

	r.NameRequest(c.ErrOrStderr())

	key := "refund:" + r.Request

	return f.carryOut(ctx, c.OutOrStdout(), pool, &r.Decision, userID, key, func(tx pgx.Tx) (bool, error) {
		amount, err := f.refundAmount(ctx, tx, r, taskID, key)
		if err != nil {
			return false, err
		}

		did, err := f.ledger.Refund(ctx, tx, credits.Refund{
			TaskID: taskID, Request: r.Request, Credits: amount, Actor: r.Operator, Reason: credits.Reason(r.Reason),
		})
		if errors.Is(err, credits.ErrExceeds) {
			return false, f.explainExcess(ctx, tx, taskID, amount)
		}

		return did, err
	})
}

// refundAmount is how much is to be given back.
func (f *tool) refundAmount(ctx context.Context, tx pgx.Tx, r *refund, taskID uuid.UUID, key string) (int64, error) {
	switch {
	case r.credits > 0:
		return int64(r.credits), nil
	case r.image > 0:
		return f.imagePrice(ctx, tx, taskID, int(r.image-1))
	}

	if e, err := f.ledger.Booked(ctx, tx, key); !errors.Is(err, credits.ErrNotBooked) {
		return e.Credits(), err
	}

	costs, err := f.ledger.Costs(ctx, tx, []uuid.UUID{taskID})
	c := costs[taskID]

	return c.Captured - c.Refunded, err
}

// imagePrice is what an image cost.
func (f *tool) imagePrice(ctx context.Context, tx pgx.Tx, taskID uuid.UUID, image int) (int64, error) {
	entries, err := f.ledger.EntriesOf(ctx, tx, taskID)
	if err != nil {
		return 0, err
	}

	var paid []string

	for _, e := range entries {
		if e.Kind != credits.KindCapture {
			continue
		}

		if e.Image == image {
			return -e.Credits(), nil
		}

		paid = append(paid, strconv.Itoa(e.Image+1))
	}

	if len(paid) == 0 {
		return 0, refuseBooking("no image of %s was paid for", cli.GenerationID(taskID))
	}

	return 0, refuseBooking("image %d of %s was not paid for, but these were: %s", image+1, cli.GenerationID(taskID), strings.Join(paid, ", "))
}

// explainExcess says why so much cannot be given back.
func (f *tool) explainExcess(ctx context.Context, tx pgx.Tx, taskID uuid.UUID, amount int64) error {
	costs, err := f.ledger.Costs(ctx, tx, []uuid.UUID{taskID})
	if err != nil {
		return err
	}

	c := costs[taskID]

	switch {
	case c.Captured == 0 && c.Held > 0:
		return refuseBooking("%s has not ended, and has cost nothing so far", cli.GenerationID(taskID))
	case c.Captured == 0:
		return refuseBooking("%s cost nothing", cli.GenerationID(taskID))
	case c.Captured == c.Refunded:
		return refuseBooking("%s cost %d credits, and all of them were given back before", cli.GenerationID(taskID), c.Captured)
	default:
		return refuseBooking("%s cost %d credits, and %d were given back before: there are %d left to give back, not %d",
			cli.GenerationID(taskID), c.Captured, c.Refunded, c.Captured-c.Refunded, amount)
	}
}
