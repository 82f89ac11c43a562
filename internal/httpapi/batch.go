package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/ratelimit"
)

// SubmitGenerations implements the contract's operation.
func (s *server) SubmitGenerations(ctx context.Context, r SubmitGenerationsRequestObject) (SubmitGenerationsResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	b := batch{server: s, userID: p.UserID, results: make([]BatchResult, len(r.Body.Items))}
	b.read(ctx, r.Body.Items)

	if err := b.limitItems(ctx); err != nil {
		return nil, err
	}

	if err := b.submitItems(ctx); err != nil {
		return nil, err
	}

	out := &batchAnswer{standings: append(exchangeOf(ctx).standings, b.standings...)}
	out.Object, out.Data = BatchResultListObjectList, b.results

	for _, result := range b.results {
		if result.Problem != nil {
			out.Refused++
		}
	}

	return out, nil
}

// batch is one request for many generations.
type batch struct {
	*server

	userID  uuid.UUID
	results []BatchResult // of each item

	subs      []generation.Submission // of those items that were not refused yet
	at        []int                   // their indexes
	standings []ratelimit.Standing    // of the limit of submissions
}

// read reads the items that the contract allows, and refuses the others.
func (b *batch) read(ctx context.Context, items []BatchItem) {
	refused := exchangeOf(ctx).refused

	for i, item := range items {
		if err := refused[i]; err != nil {
			b.refuseItem(ctx, i, fmt.Sprintf("#/items/%d", i), err)

			continue
		}

		sub, err := parseSubmission(b.userID, item.Request)
		if err == nil {
			sub.IdempotencyKey = item.IdempotencyKey
			sub.Fingerprint, err = fingerprintRequest(submitRoute, item.Request)
		}

		if err != nil {
			b.refuseRequest(ctx, i, err)

			continue
		}

		b.subs, b.at = append(b.subs, sub), append(b.at, i)
	}
}

// limitItems counts those that repeat none, and refuses the last of them, as many as are too many now.
func (b *batch) limitItems(ctx context.Context) error {
	repeats, err := b.Generations.Repeats(ctx, b.userID, b.subs)
	if err != nil {
		return err
	}

	fresh := 0

	for _, repeat := range repeats {
		if !repeat {
			fresh++
		}
	}

	if fresh == 0 {
		return nil
	}

	allowed, standings, refusal, err := b.limitSubmissions(ctx, b.userID, fresh)
	if err != nil {
		return err
	}

	subs, at := b.subs, b.at
	b.subs, b.at, b.standings = nil, nil, standings

	for i, sub := range subs {
		switch {
		case repeats[i]:
		case allowed > 0:
			allowed--
		default:
			b.refuseRequest(ctx, at[i], refusal)

			continue
		}

		b.subs, b.at = append(b.subs, sub), append(b.at, at[i])
	}

	return nil
}

// submitItems submits what is left. Where our database did nothing of it, that is the answer to the whole.
func (b *batch) submitItems(ctx context.Context) error {
	var (
		done   int
		failed error
	)

	for i, o := range b.Generations.SubmitMany(ctx, b.userID, b.subs) {
		if o.Err != nil {
			b.refuseRequest(ctx, b.at[i], o.Err)
		} else {
			b.results[b.at[i]] = BatchResult{
				Index: b.at[i], Status: http.StatusAccepted, Replayed: o.Replay != nil, Generation: new(renderGeneration(o.Generation)),
			}
		}

		if err := nameOutage(o.Err); fault.Of(err) != nil && fault.Of(err).Kind == fault.Unavailable {
			failed = err
		} else {
			done++
		}
	}

	if done == 0 && len(b.subs) == len(b.results) {
		return failed
	}

	return nil
}

// refuseRequest refuses an item for what is wrong with its request.
func (b *batch) refuseRequest(ctx context.Context, i int, err error) {
	b.refuseItem(ctx, i, fmt.Sprintf("#/items/%d/request", i), err)
}

// refuseItem refuses an item. The pointers of err begin at base.
func (b *batch) refuseItem(ctx context.Context, i int, base string, err error) {
	err = nameOutage(err)
	x := exchangeOf(ctx)
	p := renderProblem(err, x.requestID)

	for n, e := range p.Errors {
		if e.Pointer != nil {
			p.Errors[n].Pointer = new(base + strings.TrimPrefix(*e.Pointer, "#"))
		}
	}

	if p.Status >= http.StatusInternalServerError {
		b.Logger.ErrorContext(ctx, "request in a batch failed", slog.String("request_id", x.requestID), slog.Int("index", i),
			slog.String("code", string(p.Code)), slog.Any("error", err))
	}

	b.results[i] = BatchResult{Index: i, Status: p.Status, Problem: &p}
}

// batchAnswer is the answer to a batch, with the limits that it was counted against.
type batchAnswer struct {
	SubmitGenerations200JSONResponse

	standings []ratelimit.Standing
}

// VisitSubmitGenerationsResponse implements the generated interface.
func (a *batchAnswer) VisitSubmitGenerationsResponse(w http.ResponseWriter) error {
	setRateLimitHeaders(w.Header(), a.standings)

	return a.SubmitGenerations200JSONResponse.VisitSubmitGenerationsResponse(w)
}
