package httpapi

import (
	"context"
	"slices"
	"time"

	"imagerun/internal/fault"
	"imagerun/internal/generation/catalogue"
)

var errNoModel = fault.New(fault.NotFound, "not_found", "There is no such model. GET /v1/models lists those there are.")

// ListModels implements the contract's operation. Which provider serves a model is not said.
func (s *server) ListModels(ctx context.Context, _ ListModelsRequestObject) (ListModelsResponseObject, error) {
	degraded, err := s.Generations.Degraded(ctx)
	if err != nil {
		return nil, err
	}

	models := s.Generations.Models()
	out := ModelList{Object: ModelListObjectList, URL: "/v1/models", Data: make([]Model, len(models))}

	for i, m := range models {
		out.Data[i] = renderModel(m, degraded)
	}

	return ListModels200JSONResponse{Body: out}, nil
}

// GetModel implements the contract's operation.
func (s *server) GetModel(ctx context.Context, r GetModelRequestObject) (GetModelResponseObject, error) {
	models := s.Generations.Models()

	i := slices.IndexFunc(models, func(m catalogue.Model) bool { return m.ID == r.ID })
	if i < 0 {
		return nil, errNoModel
	}

	degraded, err := s.Generations.Degraded(ctx)
	if err != nil {
		return nil, err
	}

	return GetModel200JSONResponse(renderModel(models[i], degraded)), nil
}

func renderModel(m catalogue.Model, degraded map[string]time.Time) Model {
	out := Model{
		ID:             m.ID,
		Object:         ModelObjectModel,
		Name:           m.Name,
		Description:    m.Description,
		PromptMax:      m.PromptMax,
		NegativePrompt: m.NegativePrompt(),
		AspectRatios:   convertTexts[AspectRatio](m.AspectRatios),
		Sides:          Sides{Min: m.Sides.Min, Max: m.Sides.Max, MultipleOf: m.Sides.MultipleOf, MaxPixels: m.Sides.MaxPixels},
		Qualities:      make([]Quality, len(m.Qualities)),
		OutputFormats:  convertTexts[OutputFormat](m.OutputFormats),
		MaxImages:      m.MaxImages,
	}

	if since, ok := degraded[m.ID]; ok {
		out.DegradedSince = new(clampTime(since))
	}

	if f := m.Image; f != nil {
		out.Reference = &ModelReference{
			StrengthMin: f.Strength.Min, StrengthMax: f.Strength.Max, StrengthDefault: f.Strength.Default, Resizes: f.Resizes(),
		}
	}

	for i, q := range m.Qualities {
		out.Qualities[i] = Quality{ID: QualityID(q.ID), Steps: q.Steps, Pixels: q.Pixels, Prices: make([]PriceTier, len(q.Prices))}
		for k, tier := range q.Prices {
			out.Qualities[i].Prices[k] = PriceTier{Pixels: tier.Pixels, Credits: tier.Credits}
		}
	}

	return out
}

// convertTexts gives texts of the catalogue the contract's type.
func convertTexts[T ~string](texts []string) []T {
	out := make([]T, len(texts))
	for i, text := range texts {
		out[i] = T(text)
	}

	return out
}
