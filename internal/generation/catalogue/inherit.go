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
		earlier.shapeless()
	}

	// A reference decided the size; another quality, reference or model decides anew.
	if earlier.Reference != nil && earlier.AspectRatio == nil && (r.Quality != nil || r.Reference != nil || r.Model != "") {
		earlier.shapeless()
	}

	merged := r.over(earlier)

	// Other models are judged once the rest is good, so a second look may find more to drop.
	for range 2 {
		_, _, err := c.Resolve(merged)

		e, ok := errors.AsType[*fault.Error](err)
		if !ok {
			break
		}

		for _, f := range e.Fields {
			earlier.drop(f)
		}

		merged = r.over(earlier)
	}

	return merged
}

// over returns what r says, and below that what earlier says.
func (r Request) over(earlier Request) Request {
	if r.Model == "" {
		r.Model = earlier.Model
	}

	if r.Prompt.IsZero() {
		r.Prompt = earlier.Prompt
	}

	r.NegativePrompt = first(r.NegativePrompt, earlier.NegativePrompt)
	r.AspectRatio = first(r.AspectRatio, earlier.AspectRatio)
	r.Width, r.Height = first(r.Width, earlier.Width), first(r.Height, earlier.Height)
	r.Quality = first(r.Quality, earlier.Quality)
	r.NumImages = first(r.NumImages, earlier.NumImages)
	r.OutputFormat = first(r.OutputFormat, earlier.OutputFormat)
	r.Reference = first(r.Reference, earlier.Reference)

	if r.FallbackModels == nil {
		r.FallbackModels = earlier.FallbackModels
	}

	if r.Metadata == nil {
		r.Metadata = earlier.Metadata
	}

	return r
}

// drop forgets the setting that a field of a refusal is about.
func (r *Request) drop(f fault.Field) {
	name, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "#/"), "/")

	switch name {
	case "negative_prompt":
		r.NegativePrompt = nil
	case "aspect_ratio", "width", "height":
		r.shapeless()
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
			r.shapeless()
		}
	}
}

func (r *Request) shapeless() { r.AspectRatio, r.Width, r.Height = nil, nil, nil }

func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}

	return b
}
