package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/idempotency"
	"imagerun/internal/redact"
)

// Generations is the domain behind /v1/generations. Every method looks only at what userID owns:
// another's id answers generation.ErrNotFound.
type Generations interface {
	// Submit accepts a request. With an idempotency key that was used before for the same
	// request, it returns that generation and its record instead.
	Submit(ctx context.Context, s generation.Submission) (generation.Generation, *idempotency.Record, error)
	// Get returns one, with fresh links.
	Get(ctx context.Context, userID, id uuid.UUID) (generation.Generation, error)
	// List returns one page.
	List(ctx context.Context, userID uuid.UUID, f generation.Filter) (generation.Page, error)
	// Cancel ends one, or answers generation.ErrNotCancelable.
	Cancel(ctx context.Context, userID, id uuid.UUID) (generation.Generation, error)
	// Delete removes one; doing it again answers generation.ErrDeleted.
	Delete(ctx context.Context, userID, id uuid.UUID) error
	// Events returns the changes with a sequence greater than after, in order.
	Events(ctx context.Context, userID, id uuid.UUID, after int64) ([]generation.Event, error)
	// Degraded returns the models that keep failing and since when.
	Degraded(ctx context.Context) (map[string]time.Time, error)
	// Models is the catalogue.
	Models() []catalogue.Model
}

// SubmitGeneration implements the contract's operation.
func (s *server) SubmitGeneration(ctx context.Context, r SubmitGenerationRequestObject) (SubmitGenerationResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	submission, err := submission(p.UserID, r)
	if err != nil {
		return nil, err
	}

	g, replayed, err := s.Generations.Submit(ctx, submission)
	if err != nil {
		return nil, err
	}

	g, applied, err := s.await(ctx, p.UserID, g, r.Params.Prefer)
	if err != nil {
		return nil, err
	}

	if replayed != nil {
		out := SubmitGeneration202JSONResponse{Body: renderGeneration(g)}
		out.Headers = SubmitGeneration202ResponseHeaders{
			ETag: new(etag(g)), Location: new(location(g.ID)), PreferenceApplied: applied, IdempotentReplayed: new("true"),
		}

		return replay{out, replayed.Status}, nil
	}

	if applied != nil && g.Status.Terminal() {
		return SubmitGeneration201JSONResponse{
			Body:    renderGeneration(g),
			Headers: SubmitGeneration201ResponseHeaders{ETag: new(etag(g)), Location: new(location(g.ID)), PreferenceApplied: applied},
		}, nil
	}

	return SubmitGeneration202JSONResponse{
		Body:    renderGeneration(g),
		Headers: SubmitGeneration202ResponseHeaders{ETag: new(etag(g)), Location: new(location(g.ID)), PreferenceApplied: applied},
	}, nil
}

// replay answers with the status of the first answer, whatever it was.
type replay struct {
	SubmitGeneration202JSONResponse

	status int
}

// VisitSubmitGenerationResponse implements the generated interface.
func (r replay) VisitSubmitGenerationResponse(w http.ResponseWriter) error {
	return r.SubmitGeneration202JSONResponse.VisitSubmitGenerationResponse(statusWriter{w, r.status})
}

type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w statusWriter) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }

// submission reads the request; what it means is the domain's to judge.
func submission(userID uuid.UUID, r SubmitGenerationRequestObject) (generation.Submission, error) {
	b := r.Body
	s := generation.Submission{
		UserID:          userID,
		DeadlineSeconds: b.DeadlineSeconds,
		Request: catalogue.Request{
			Model:        b.Model,
			Prompt:       redact.NewPersonal(b.Prompt),
			AspectRatio:  (*string)(b.AspectRatio),
			Width:        b.Width,
			Height:       b.Height,
			Quality:      (*string)(b.Quality),
			NumImages:    b.NumImages,
			Seed:         b.Seed,
			OutputFormat: (*string)(b.OutputFormat),

			FallbackModels: b.FallbackModels,
		},
	}

	if b.Reference != nil {
		id, ok := parseID(prefixUpload, string(b.Reference.UploadID))
		if !ok {
			return s, catalogue.ErrInvalid.WithFields(fault.Field{Pointer: "#/reference/upload_id", Keyword: "pattern", Detail: "Send the id of an upload."})
		}

		s.Reference = &catalogue.Reference{UploadID: id, Strength: b.Reference.Strength}
	}

	if b.NegativePrompt != nil {
		s.NegativePrompt = new(redact.NewPersonal(*b.NegativePrompt))
	}

	if b.Metadata != nil {
		m, err := json.Marshal(b.Metadata)
		if err != nil {
			return s, fmt.Errorf("encode metadata: %w", err)
		}

		s.Metadata = m
	}

	if r.Params.IdempotencyKey == nil {
		return s, nil
	}

	key, ok := idempotencyKey(*r.Params.IdempotencyKey)
	if !ok {
		return s, errHeader.WithFields(fault.Field{
			Pointer: inHeader + "Idempotency-Key", Keyword: "format",
			Detail: "Send 1 to 255 visible ASCII characters, in double quotes or without. A fresh UUID is best.",
		})
	}

	sum, err := fingerprint("POST /v1/generations", b)
	if err != nil {
		return s, err
	}

	s.IdempotencyKey, s.Fingerprint = key, sum

	return s, nil
}

// ListGenerations implements the contract's operation.
func (s *server) ListGenerations(ctx context.Context, r ListGenerationsRequestObject) (ListGenerationsResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	f, err := filter(r.Params)
	if err != nil {
		return nil, err
	}

	page, err := s.Generations.List(ctx, p.UserID, f)
	if err != nil {
		return nil, err
	}

	out := ListGenerations200JSONResponse{
		Object: GenerationListObjectList, URL: "/v1/generations", HasMore: page.HasMore, Data: make([]Generation, len(page.Generations)),
	}
	for i, g := range page.Generations {
		out.Data[i] = renderGeneration(g)
	}

	if n := len(out.Data); page.HasMore && n > 0 {
		out.NextCursor = &out.Data[n-1].ID
		if f.EndingBefore != uuid.Nil {
			out.NextCursor = &out.Data[0].ID
		}
	}

	return out, nil
}

func filter(q ListGenerationsParams) (generation.Filter, error) {
	f := generation.Filter{Limit: 20, CreatedAfter: q.CreatedAfter, CreatedBefore: q.CreatedBefore}

	for _, status := range q.Status {
		f.Statuses = append(f.Statuses, generation.Status(status))
	}

	if q.Model != nil {
		f.Model = *q.Model
	}

	if q.Limit != nil {
		f.Limit = *q.Limit
	}

	if q.StartingAfter != nil && q.EndingBefore != nil {
		return f, errInvalid.WithFields(fault.Field{
			Pointer: inQuery + "ending_before", Keyword: "not", Detail: "Give starting_after or ending_before, not both.",
		})
	}

	// The contract has checked their form.
	if q.StartingAfter != nil {
		f.StartingAfter, _ = parseID(prefixGeneration, *q.StartingAfter)
	}

	if q.EndingBefore != nil {
		f.EndingBefore, _ = parseID(prefixGeneration, *q.EndingBefore)
	}

	return f, nil
}
