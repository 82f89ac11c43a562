package catalogue

import (
	"errors"
	"strings"

	"imagerun/internal/fault"
)

// Inherit fills in what r does not say from an earlier request. A shape (aspect ratio, or width
// and height) is taken over whole or not at all, the seed never. Settings of the earlier one that
// r's model does not have are left to its defaults; what matters more, the prompt and the
// reference, stays for [Catalogue.Resolve] to refuse.
func (c *Catalogue) Inherit(r, earlier Request) Request {
	if r.AspectRatio != nil || r.Width != nil || r.Height != nil {
		earlier.clearShape()
	}

	// A reference decided the size; another quality, reference or model decides anew.
	if earlier.Reference != nil && earlier.AspectRatio == nil && (r.Quality != nil || r.Reference != nil || r.Model != "") {
		earlier.clearShape()
	}

	merged := r.mergeOver(earlier)

	// Other models are judged once the rest is good, so a second look may find more to drop.
	for range 2 {
		_, _, err := c.Resolve(merged)

		e, ok := errors.AsType[*fault.Error](err)
		if !ok {
			break
		}

		for _, f := range e.Fields {
			earlier.dropSetting(f)
		}

		merged = r.mergeOver(earlier)
	}

	return merged
}

// mergeOver returns what r says, and below that what earlier says.
func (r Request) mergeOver(earlier Request) Request {
	if r.Model == "" {
		r.Model = earlier.Model
	}

	if r.Prompt.IsZero() {
		r.Prompt = earlier.Prompt
	}

	r.NegativePrompt = firstSet(r.NegativePrompt, earlier.NegativePrompt)
	r.AspectRatio = firstSet(r.AspectRatio, earlier.AspectRatio)
	r.Width, r.Height = firstSet(r.Width, earlier.Width), firstSet(r.Height, earlier.Height)
	r.Quality = firstSet(r.Quality, earlier.Quality)
	r.NumImages = firstSet(r.NumImages, earlier.NumImages)
	r.OutputFormat = firstSet(r.OutputFormat, earlier.OutputFormat)
	r.Reference = firstSet(r.Reference, earlier.Reference)

	if r.FallbackModels == nil {
		r.FallbackModels = earlier.FallbackModels
	}

	if r.Metadata == nil {
		r.Metadata = earlier.Metadata
	}

	return r
}

// dropSetting forgets the setting that a field of a refusal is about.
func (r *Request) dropSetting(f fault.Field) {
	name, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "#/"), "/")

	switch name {
	case "negative_prompt":
		r.NegativePrompt = nil
	case "aspect_ratio", "width", "height":
		r.clearShape()
	case "quality":
		r.Quality = nil
	case "num_images":
		r.NumImages = nil
	case "output_format":
		r.OutputFormat = nil
	case "fallback_models":
		r.FallbackModels = nil
	case "reference":
		if f.Keyword == "size" { // the reference decides it
			r.clearShape()
		}
	}
}

func (r *Request) clearShape() { r.AspectRatio, r.Width, r.Height = nil, nil, nil }

func firstSet[T any](a, b *T) *T {
	if a != nil {
		return a
	}

	return b
}
