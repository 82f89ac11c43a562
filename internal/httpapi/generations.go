package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/publicid"
	"imagerun/internal/redact"
)

// Generations is the domain behind /v1/generations. Every method looks only at what userID owns:
// another's id answers generation.ErrNotFound.
type Generations interface {
	Events

	// Submit accepts a request. With an idempotency key that was used before for the same
	// request, it returns that generation and its record instead.
	Submit(ctx context.Context, s generation.Submission) (generation.Accepted, error)
	// SubmitMany is Submit for each, in their order; each has a key. One that is refused stops no other.
	SubmitMany(ctx context.Context, userID uuid.UUID, subs []generation.Submission) []generation.Outcome
	// Repeats reports which of them repeat one that was accepted before.
	Repeats(ctx context.Context, userID uuid.UUID, subs []generation.Submission) ([]bool, error)
	// Get returns one, with fresh links.
	Get(ctx context.Context, userID, id uuid.UUID) (generation.Generation, error)
	// List returns one page.
	List(ctx context.Context, userID uuid.UUID, f generation.Filter) (generation.Page, error)
	// Cancel ends one or asks its provider to stop, or answers generation.ErrNotCancelable.
	Cancel(ctx context.Context, userID, id uuid.UUID) (generation.Generation, error)
	// Delete removes one; doing it again answers generation.ErrDeleted.
	Delete(ctx context.Context, userID, id uuid.UUID) error
	// Remix submits one again, but for what s says otherwise; as Submit.
	Remix(ctx context.Context, id uuid.UUID, s generation.Submission, sameSeed bool) (generation.Accepted, error)
	// Estimate says what a submit would cost; as Submit, but it starts nothing.
	Estimate(ctx context.Context, s generation.Submission) (generation.Estimate, error)
	// SetFavourite marks one, or unmarks it.
	SetFavourite(ctx context.Context, userID, id uuid.UUID, favourite bool) (generation.Generation, error)
	// DeleteMany is Delete for each.
	DeleteMany(ctx context.Context, userID uuid.UUID, ids []uuid.UUID) ([]generation.Deletion, error)
	// CancelMany is Cancel for each.
	CancelMany(ctx context.Context, userID uuid.UUID, ids []uuid.UUID) ([]generation.Cancellation, error)
	// CancelWaiting cancels what waits for its turn.
	CancelWaiting(ctx context.Context, userID uuid.UUID) (generation.CanceledWaiting, error)
	// UsageOf is how much of the plan is taken now.
	UsageOf(ctx context.Context, userID uuid.UUID) (generation.Usage, error)
	// Album collects the pictures of many, for OpenPicture to read.
	Album(ctx context.Context, userID uuid.UUID, ids []uuid.UUID) (generation.Album, error)
	// OpenPicture reads a picture of an album.
	OpenPicture(ctx context.Context, p generation.Picture) (io.ReadCloser, error)
	// Degraded returns the models that keep failing and since when.
	Degraded(ctx context.Context) (map[string]time.Time, error)
	// Models is the catalogue.
	Models() []catalogue.Model
}

// submitRoute is where a fingerprint says that a request for images was sent, also when it came in a batch.
const submitRoute = "POST /v1/generations"

// SubmitGeneration implements the contract's operation.
func (s *server) SubmitGeneration(ctx context.Context, r SubmitGenerationRequestObject) (SubmitGenerationResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	sub, err := parseSubmission(p.UserID, *r.Body)
	if err == nil {
		err = setIdempotency(&sub, r.Params.IdempotencyKey, submitRoute, r.Body)
	}

	if err != nil {
		return nil, err
	}

	a, err := s.Generations.Submit(ctx, sub)
	if err != nil {
		return nil, err
	}

	return s.answerAccepted(ctx, a, r.Params.Prefer)
}

// answerAccepted answers with a generation that was accepted, now or when the same was sent before.
func (s *server) answerAccepted(ctx context.Context, a generation.Accepted, prefer *string) (*acceptedAnswer, error) {
	g, applied, err := s.awaitGeneration(ctx, a.UserID, a.Generation, prefer)
	if err != nil && fault.Of(nameOutage(err)).Kind == fault.Unavailable {
		s.Logger.WarnContext(ctx, "wait for an accepted generation was given up", slog.Any("error", err))

		g, applied, err = a.Generation, nil, nil // what was accepted must be known
	}

	if err != nil {
		return nil, err
	}

	out := &acceptedAnswer{status: http.StatusAccepted}
	out.Body = renderGeneration(g)
	out.Headers = SubmitGeneration202ResponseHeaders{
		ETag: new(etagOf(g)), Location: new(generationLocation(g.ID)), PreferenceApplied: applied,
		XCreditsHeld: new(a.Cost.Held), XCreditsBalance: new(a.Balance.Available),
	}

	switch {
	case a.Replay != nil:
		out.status, out.Headers.IdempotentReplayed = a.Replay.Status, new("true") // whatever it was
	case applied != nil && g.Status.Terminal():
		out.status = http.StatusCreated
	}

	return out, nil
}

// acceptedAnswer is the answer to every way to submit.
type acceptedAnswer struct {
	SubmitGeneration202JSONResponse

	status int
}

// VisitSubmitGenerationResponse implements the generated interface.
func (a *acceptedAnswer) VisitSubmitGenerationResponse(w http.ResponseWriter) error {
	return a.SubmitGeneration202JSONResponse.VisitSubmitGenerationResponse(statusWriter{w, a.status})
}

// VisitRemixGenerationResponse implements the generated interface.
func (a *acceptedAnswer) VisitRemixGenerationResponse(w http.ResponseWriter) error {
	return a.VisitSubmitGenerationResponse(w)
}

type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w statusWriter) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }

// parseSubmission reads the request; what it means is the domain's to judge.
func parseSubmission(userID uuid.UUID, b GenerationRequest) (generation.Submission, error) {
	s := generation.Submission{
		UserID:          userID,
		DeadlineSeconds: b.DeadlineSeconds,
		Background:      b.Lane != nil && *b.Lane == Background,
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
		id, ok := publicid.Parse(publicid.PrefixUpload, b.Reference.UploadID)
		if !ok {
			return s, catalogue.ErrInvalid.WithFields(fault.Field{Pointer: "#/reference/upload_id", Keyword: "pattern", Detail: "Send the id of an upload."})
		}

		s.Reference = &catalogue.Reference{UploadID: id, Strength: b.Reference.Strength}
	}

	if b.Quote != nil {
		s.Quote = *b.Quote
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

	return s, nil
}

// setIdempotency has a submission accepted once for its key, if it has one.
func setIdempotency(s *generation.Submission, header *string, route string, body any) (err error) {
	s.IdempotencyKey, s.Fingerprint, err = readIdempotency(header, route, body)

	return err
}

// ListGenerations implements the contract's operation.
func (s *server) ListGenerations(ctx context.Context, r ListGenerationsRequestObject) (ListGenerationsResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	f, err := parseFilter(r.Params)
	if err != nil {
		return nil, err
	}

	page, err := s.Generations.List(ctx, p.UserID, f)
	if err != nil {
		return nil, err
	}

	out := GenerationList{
		Object: GenerationListObjectList, URL: "/v1/generations", HasMore: page.HasMore, Data: make([]Generation, len(page.Generations)),
	}
	for i, g := range page.Generations {
		out.Data[i] = renderGeneration(g)
	}

	if n := len(out.Data); page.HasMore && n > 0 {
		out.NextCursor = new(formatCursor(page.Generations[n-1]))
		if f.EndingBefore != nil {
			out.NextCursor = new(formatCursor(page.Generations[0]))
		}
	}

	return ListGenerations200JSONResponse{Body: out}, nil
}

func parseFilter(q ListGenerationsParams) (generation.Filter, error) {
	f := generation.Filter{Limit: 20, Metadata: q.Metadata, CreatedAfter: q.CreatedAfter, CreatedBefore: q.CreatedBefore}

	for _, status := range q.Status {
		f.Statuses = append(f.Statuses, generation.Status(status))
	}

	if q.Model != nil {
		f.Model = *q.Model
	}

	if q.Favourite != nil {
		f.Favourite = *q.Favourite
	}

	if q.Limit != nil {
		f.Limit = *q.Limit
	}

	if q.StartingAfter != nil && q.EndingBefore != nil {
		return f, errInvalid.WithFields(fault.Field{
			Pointer: inQuery + "ending_before", Keyword: "not", Detail: "Give starting_after or ending_before, not both.",
		})
	}

	if q.RemixOf != nil {
		id, _ := publicid.Parse(publicid.PrefixGeneration, *q.RemixOf) // the contract has checked its form
		f.RemixOf = &id
	}

	var err error
	if f.StartingAfter, err = parsePlace("starting_after", q.StartingAfter); err == nil {
		f.EndingBefore, err = parsePlace("ending_before", q.EndingBefore)
	}

	return f, err
}

// parsePlace reads the cursor in a query parameter.
func parsePlace(name string, cursor *string) (*generation.Place, error) {
	if cursor == nil {
		return nil, nil //nolint:nilnil // there is none
	}

	p, ok := parseCursor(*cursor)
	if !ok {
		return nil, errInvalid.WithFields(fault.Field{
			Pointer: inQuery + name, Keyword: "pattern", Detail: "Send a next_cursor, as another page has it.",
		})
	}

	return &p, nil
}
