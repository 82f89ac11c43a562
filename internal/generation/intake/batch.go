package intake

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/admission"
	"imagerun/internal/idempotency"
	"imagerun/internal/postgres"
)

// maxTogether is how many of a batch are accepted in one transaction: enough that a batch takes few round trips, few enough
// that the rows of its user are soon free again for what else becomes of their generations.
const maxTogether = 25

// errNoneAccepted has a transaction rolled back that would leave nothing but a user.
var errNoneAccepted = errors.New("none of them was accepted")

// Repeats reports which submissions of a user repeat one that was accepted before. Each has a key.
func (s *Intake) Repeats(ctx context.Context, userID uuid.UUID, subs []generation.Submission) ([]bool, error) {
	requests := make([]idempotency.Request, len(subs))
	for i, sub := range subs {
		requests[i] = idempotency.Request{Key: sub.IdempotencyKey, Fingerprint: sub.Fingerprint}
	}

	return idempotency.Repeats(ctx, s.Pool, userID, requests)
}

// SubmitMany accepts submissions of one user, which have a key each, as [Intake.Submit] would one after the other, but with
// few transactions: what became of each is in their order. One that is refused stops no other. A key that is there twice
// is that of a repeat, as if the first had been answered before. After an outage some may be accepted: the same again, with the
// same keys, finds those and accepts the others.
func (s *Intake) SubmitMany(ctx context.Context, userID uuid.UUID, subs []generation.Submission) []generation.Outcome {
	b := batch{Intake: s, userID: userID, outcomes: make([]generation.Outcome, len(subs))}
	first := make(map[string]int, len(subs)) // by key

	var items []*batchItem

	for i, sub := range subs {
		if _, twice := first[sub.IdempotencyKey]; twice {
			continue
		}

		first[sub.IdempotencyKey] = i

		o, err := s.newOrder(sub)
		if err != nil {
			b.outcomes[i].Err = err

			continue
		}

		items = append(items, &batchItem{o, &b.outcomes[i]})
	}

	for some := range slices.Chunk(items, maxTogether) {
		b.acceptSome(ctx, some)
	}

	b.placeAccepted(ctx)
	b.answerRepeats(ctx)

	for i, sub := range subs {
		if n := first[sub.IdempotencyKey]; n != i {
			b.outcomes[i] = repeatOf(b.outcomes[n], bytes.Equal(sub.Fingerprint, subs[n].Fingerprint))
		}
	}

	return b.outcomes
}

// repeatOf is what becomes of a submission whose key an earlier one of its batch has.
func repeatOf(o generation.Outcome, same bool) generation.Outcome {
	switch {
	case !same:
		return generation.Outcome{Err: idempotency.ErrMismatch}
	case o.Err == nil && o.Replay == nil:
		o.Replay = &idempotency.Record{ResourceID: o.ID, Status: 202}
	}

	return o
}

// batch is submissions of one user that came together.
type batch struct {
	*Intake

	userID   uuid.UUID
	outcomes []generation.Outcome
	accepted []*batchItem // just now, in their order
	latest   time.Time    // when the last of them was created; zero: none was yet
}

// batchItem is one of them that is to be accepted.
type batchItem struct {
	*order

	out *generation.Outcome
}

// acceptSome accepts some in one transaction.
func (b *batch) acceptSome(ctx context.Context, items []*batchItem) {
	err := b.acceptTogether(ctx, items, false)
	if errors.Is(err, errNoUser) {
		err = b.acceptTogether(ctx, items, true)
	}

	switch {
	case err == nil || errors.Is(err, errNoneAccepted):
	case postgres.Outage(err) || postgres.TimedOut(err) || ctx.Err() != nil:
		for _, it := range items {
			*it.out = generation.Outcome{Err: err}
		}
	default:
		// Something of one of them is beyond us. By itself it stops no other.
		b.Log.Error("submissions could not be accepted together", slog.Int("submissions", len(items)), slog.Any("error", err))

		for _, it := range items {
			it.out.Accepted, it.out.Err = b.Submit(ctx, it.Submission)
		}
	}
}

// acceptTogether is one transaction: it claims the keys, looks at references, locks the user and their balance, and then
// judges and writes one after the other, each as it stands after those before it.
func (b *batch) acceptTogether(ctx context.Context, items []*batchItem, newUser bool) error {
	return postgres.RetryTx(ctx, b.Pool, func(tx *postgres.Tx) error {
		fresh, err := b.claimKeys(ctx, tx, items)
		if err != nil {
			return err
		}

		if fresh, err = b.findReferences(ctx, tx, fresh); err != nil {
			return err
		}

		if len(fresh) == 0 {
			return errNoneAccepted
		}

		if err := b.lockUser(ctx, tx, fresh, newUser); err != nil {
			return err
		}

		return b.writeOrders(ctx, tx, fresh)
	})
}

// claimKeys claims the keys, and returns those that nothing is known of.
func (b *batch) claimKeys(ctx context.Context, tx *postgres.Tx, items []*batchItem) (fresh []*batchItem, err error) {
	requests := make([]idempotency.Request, len(items))
	for i, it := range items {
		requests[i] = idempotency.Request{Key: it.IdempotencyKey, Fingerprint: it.Fingerprint}
	}

	claims, err := idempotency.BeginMany(ctx, tx, b.userID, requests)
	if err != nil {
		return nil, err
	}

	for i, it := range items {
		*it.out = generation.Outcome{Accepted: generation.Accepted{Replay: claims[i].Found}, Err: claims[i].Err}

		if claims[i].Found == nil && claims[i].Err == nil {
			fresh = append(fresh, it)
		}
	}

	return fresh, nil
}

// findReferences looks up the references, and returns those whose own can be used. Their rows are locked in the order of their ids,
// so that batches do not wait for each other in a circle.
func (b *batch) findReferences(ctx context.Context, tx *postgres.Tx, items []*batchItem) ([]*batchItem, error) {
	var with []*batchItem

	for _, it := range items {
		if it.Reference != nil {
			with = append(with, it)
		}
	}

	slices.SortStableFunc(with, func(x, y *batchItem) int { return bytes.Compare(x.Reference.UploadID[:], y.Reference.UploadID[:]) })

	for _, it := range with {
		if it.out.Err = b.findReference(ctx, tx, it.order, b.References.UseReference); it.out.Err != nil && !isRefusal(it.out.Err) {
			return nil, it.out.Err
		}
	}

	return slices.DeleteFunc(items, func(it *batchItem) bool { return it.out.Err != nil }), nil
}

// lockUser locks the user and their balance for all of them, and reads how the user stands. Those of one provider share that:
// one that is accepted waits before the next.
func (b *batch) lockUser(ctx context.Context, tx pgx.Tx, items []*batchItem, newUser bool) error {
	reads := &pgx.Batch{}
	shares := map[string]*order{} // by provider, the first of it, into which it is read

	for _, it := range items {
		if shares[it.model.Provider] == nil {
			it.newUser = newUser
			queueUser(reads, it.order)
			shares[it.model.Provider] = it.order
		}
	}

	funds := b.Credits.Lock(reads, b.userID)

	if err := tx.SendBatch(ctx, reads).Close(); err != nil {
		return err
	}

	for _, it := range items {
		if it.share, it.funds = shares[it.model.Provider].share, funds; it.share.Ref == "" {
			return errNoUser
		}
	}

	return nil
}

// writeOrders judges and writes them.
func (b *batch) writeOrders(ctx context.Context, tx *postgres.Tx, items []*batchItem) error {
	var accepted []*batchItem

	shares, latest := map[string]admission.UserShare{}, b.latest // by provider

	for _, it := range items {
		provider := it.model.Provider
		if share, ok := shares[provider]; ok {
			it.share = share
		}

		it.after = latest

		err := b.writeOrder(ctx, tx, it.order, &it.out.Accepted)
		if err != nil && isRefusal(err) {
			it.out.Err = err

			continue
		}

		if err == nil {
			err = finishOrder(ctx, tx, it.order)
		}

		if err != nil {
			return err
		}

		accepted = append(accepted, it)
		shares[provider], latest = it.share.Accepted(it.Background), it.out.CreatedAt
	}

	if len(accepted) == 0 {
		return errNoneAccepted
	}

	tx.AfterCommit(func() { b.accepted, b.latest = append(b.accepted, accepted...), latest })

	return nil
}

// isRefusal tells a submission that is refused from a mistake or an outage of ours.
func isRefusal(err error) bool {
	switch fault.Of(err).Kind {
	case fault.Internal, fault.Unavailable:
		return false
	default:
		return true
	}
}

// placeAccepted fills in where those wait that were accepted just now.
func (b *batch) placeAccepted(ctx context.Context) {
	places := map[string][]admission.NewPosition{} // by provider

	for _, it := range b.accepted {
		places[it.model.Provider] = append(places[it.model.Provider], admission.NewPosition{Generation: &it.out.Generation, Share: it.share})
	}

	for provider, accepted := range places {
		if err := b.Admission.PositionsOfNew(ctx, provider, accepted...); err != nil {
			b.Log.Warn("generations were accepted without a place", slog.Int("generations", len(accepted)), slog.Any("error", err))
		}
	}
}

// answerRepeats fills in what the repeats among them were answered with, as it is now.
func (b *batch) answerRepeats(ctx context.Context) {
	var ids []uuid.UUID

	for _, o := range b.outcomes {
		if o.Replay != nil {
			ids = append(ids, o.Replay.ResourceID)
		}
	}

	if len(ids) == 0 {
		return
	}

	found, err := b.History.GetMany(ctx, b.userID, ids)

	var balance credits.Balance
	if err == nil {
		balance, err = b.Credits.Balance(ctx, b.Pool, b.userID)
	}

	for i := range b.outcomes {
		o := &b.outcomes[i]
		if o.Replay == nil {
			continue
		}

		g, ok := found[o.Replay.ResourceID]

		switch {
		case err != nil:
			*o = generation.Outcome{Err: err}
		case !ok: // it was there when its key was recorded, and its tombstone is kept for longer than that
			*o = generation.Outcome{Err: generation.ErrDeleted}
		default:
			o.Generation, o.Balance = g, balance
		}
	}
}
