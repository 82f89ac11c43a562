package catalogue

import (
	"encoding/json"
	"math"

	"github.com/google/uuid"

	"imagerun/internal/redact"
)

// SeedMax is the largest seed: the largest integer that every JSON reader keeps exactly.
const SeedMax = 1<<53 - 1

// Request is what a caller asks for, before the catalogue has judged it. Nil: not given.
type Request struct {
	Model          string
	Prompt         redact.Personal
	NegativePrompt *redact.Personal
	AspectRatio    *string
	Width, Height  *int
	Quality        *string
	NumImages      *int
	Seed           *int64
	OutputFormat   *string
	Reference      *Reference
	FallbackModels []string        // who may serve it instead, in this order
	Metadata       json.RawMessage // the caller's own small map; nil: none
}

// Reference is a picture to start from.
type Reference struct {
	UploadID      uuid.UUID
	Width, Height int      // pixels, as stored
	Strength      *float64 // nil: the model's default
}

// Parameters are what was asked for, after defaults: enough to ask for the same again.
type Parameters struct {
	AspectRatio    string   `json:"aspect_ratio,omitempty"` // empty when width and height, or a reference, decided
	Width          int      `json:"width"`                  // pixels
	Height         int      `json:"height"`                 // pixels
	Quality        string   `json:"quality"`                // draft, standard or high
	NumImages      int      `json:"num_images"`             // 1–4
	Seed           int64    `json:"seed"`                   // 0 … 2^53−1; always ours
	OutputFormat   string   `json:"output_format"`          // png, jpeg or webp
	Strength       *float64 `json:"strength,omitempty"`     // 0–1; nil: made from the prompt alone
	FallbackModels []string `json:"fallback_models,omitempty"`
}

// sizeOfRatio scales a ratio such as "16:9" to the quality's size class.
func (m Model) sizeOfRatio(ratio string, q Quality) (width, height int, err error) {
	w, h, err := parseRatio(ratio)
	if err != nil {
		return 0, 0, err
	}

	width, height = m.scaleToQuality(w/h, q)

	return width, height, nil
}

// scaleToQuality finds the size of a shape in the quality's size class, rounded down to what the model
// takes so that it never costs the next megapixel.
func (m Model) scaleToQuality(ratio float64, q Quality) (width, height int) {
	round := func(x float64) int { return int(math.Floor(x/float64(m.Sides.MultipleOf)+1e-9)) * m.Sides.MultipleOf }
	w := math.Sqrt(float64(q.Pixels) * ratio)

	return round(w), round(float64(q.Pixels) / w)
}

// fitToModel is scale for a shape that may be too long for the model: the nearest that it takes.
func (m Model) fitToModel(ratio float64, q Quality) (width, height int) {
	width, height = m.scaleToQuality(ratio, q)

	low := (m.Sides.Min + m.Sides.MultipleOf - 1) / m.Sides.MultipleOf * m.Sides.MultipleOf
	high := m.Sides.Max / m.Sides.MultipleOf * m.Sides.MultipleOf

	return min(max(width, low), high), min(max(height, low), high)
}

func (m Model) sizeAllowed(width, height int) bool {
	for _, side := range []int{width, height} {
		if side < m.Sides.Min || side > m.Sides.Max || side%m.Sides.MultipleOf != 0 {
			return false
		}
	}

	return width*height <= m.Sides.MaxPixels
}
