package httpapi

import (
	"context"
	"math"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/credits"
	"imagerun/internal/publicid"
)

// Credits is the ledger behind /v1/credits, of one user at a time.
type Credits interface {
	// Account returns what a user has.
	Account(ctx context.Context, userID uuid.UUID) (credits.Account, error)
	// Entries returns what happened to it, newest first: at most so many, from before a number;
	// zero: from the end.
	Entries(ctx context.Context, userID uuid.UUID, before int64, most int) ([]credits.Entry, error)
}

// EstimateGeneration implements the contract's operation.
func (s *server) EstimateGeneration(ctx context.Context, r EstimateGenerationRequestObject) (EstimateGenerationResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	sub, err := parseSubmission(p.UserID, *r.Body)
	if err != nil {
		return nil, err
	}

	e, err := s.Generations.Estimate(ctx, sub)
	if err != nil {
		return nil, err
	}

	out := EstimateGeneration200JSONResponse{
		Object: EstimateObjectEstimate, Credits: e.Credits(e.Model), CreditsAtMost: e.AtMost(), Quote: e.Quote, ExpiresAt: clampTime(e.ExpiresAt),
	}

	if p.Require(auth.ScopeCreditsRead) == nil {
		out.Available, out.Affordable = &e.Balance.Available, new(e.Balance.Debt == 0 && e.Balance.Available >= e.AtMost())
	}

	if e.Took > 0 {
		out.EstimatedSeconds = new(int(math.Ceil(e.Took.Seconds())))
	}

	for _, model := range append([]string{e.Model}, e.Parameters.FallbackModels...) {
		out.Items = append(out.Items, EstimateItem{
			Model: model, Width: e.Parameters.Width, Height: e.Parameters.Height, Quality: QualityID(e.Parameters.Quality),
			NumImages: e.Parameters.NumImages, CreditsEach: e.Prices[model], Credits: e.Credits(model),
		})
	}

	return out, nil
}

// GetCredits implements the contract's operation.
func (s *server) GetCredits(ctx context.Context, _ GetCreditsRequestObject) (GetCreditsResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	a, err := s.Credits.Account(ctx, p.UserID)
	if err != nil {
		return nil, err
	}

	out := GetCredits200JSONResponse{
		Object: CreditBalanceObjectCreditBalance, Available: a.Available, Held: a.Held, Debt: a.Debt, Grants: make([]CreditGrant, len(a.Grants)),
	}
	for i, g := range a.Grants {
		out.Grants[i] = CreditGrant{
			Object: CreditGrantObjectCreditGrant, Source: CreditGrantSource(g.Source), Amount: g.Amount, Remaining: g.Remaining, Held: g.Held,
			CreatedAt: clampTime(g.CreatedAt), ExpiresAt: clampOptionalTime(g.ExpiresAt),
		}
	}

	return out, nil
}

// entriesPage is how many entries a page has unless its caller says.
const entriesPage = 20

// ListCreditEntries implements the contract's operation.
func (s *server) ListCreditEntries(ctx context.Context, r ListCreditEntriesRequestObject) (ListCreditEntriesResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	limit, before := entriesPage, int64(0)
	if r.Params.Limit != nil {
		limit = *r.Params.Limit
	}

	if r.Params.StartingAfter != nil {
		before = *r.Params.StartingAfter
	}

	entries, err := s.Credits.Entries(ctx, p.UserID, before, limit+1)
	if err != nil {
		return nil, err
	}

	out := ListCreditEntries200JSONResponse{Object: CreditEntryListObjectList, URL: "/v1/credits/entries", HasMore: len(entries) > limit}
	entries = entries[:min(limit, len(entries))]
	out.Data = make([]CreditEntry, len(entries))

	for i, e := range entries {
		out.Data[i] = renderEntry(e)
	}

	if out.HasMore {
		out.NextCursor = &out.Data[limit-1].Number
	}

	return out, nil
}

func renderEntry(e credits.Entry) CreditEntry {
	out := CreditEntry{
		Object: CreditEntryObjectCreditEntry, Number: e.Sequence, Kind: CreditEntryKind(e.Kind), Credits: e.Credits(), Description: e.Sentence(),
		Available: e.After.Available, Held: e.After.Held, Debt: e.After.Debt, CreatedAt: clampTime(e.At),
	}

	if e.TaskID != uuid.Nil {
		out.GenerationID = new(publicid.Format(publicid.PrefixGeneration, e.TaskID))
	}

	if e.Kind == credits.KindCapture {
		out.ImageIndex = &e.Image
	}

	return out
}
