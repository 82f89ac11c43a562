package generation

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"imagerun/internal/fault"
)

// SeedMax is the largest seed: the largest integer that every JSON reader keeps exactly.
const SeedMax = 1<<53 - 1

// ErrInvalid answers a submission that the catalogue does not allow; its fields say where.
var ErrInvalid = fault.New(fault.Invalid, "validation_failed", "The request is not valid. See errors for what to change; nothing was started.")

// metadataMax is how many entries the caller may attach.
const metadataMax = 16

// resolve judges a submission by the catalogue and fills in defaults. The error is [ErrInvalid]
// with every wrong field at once, and never holds a value.
func (c *Catalogue) resolve(s Submission) (Model, Parameters, error) {
	var fields []fault.Field

	wrong := func(pointer, keyword, detail string) {
		fields = append(fields, fault.Field{Pointer: "#/" + pointer, Keyword: keyword, Detail: detail})
	}

	m, ok := c.Find(s.Model)
	if !ok {
		return Model{}, Parameters{}, ErrInvalid.WithFields(fault.Field{
			Pointer: "#/model", Keyword: "enum", Detail: "There is no such model. Choose one of: " + strings.Join(c.IDs(), ", ") + ".",
		})
	}

	prompt := s.Prompt.Reveal()
	switch {
	case strings.TrimSpace(prompt) == "":
		wrong("prompt", "minLength", "Describe the picture: the prompt must not be empty.")
	case utf8.RuneCountInString(prompt) > m.PromptMax:
		wrong("prompt", "maxLength", fmt.Sprintf("Shorten the prompt to %d characters.", m.PromptMax))
	}

	if s.NegativePrompt != nil {
		switch {
		case !m.NegativePrompt:
			wrong("negative_prompt", "unsupported", "This model has no negative prompt. Leave it out, or choose a model that has one.")
		case utf8.RuneCountInString(s.NegativePrompt.Reveal()) > m.PromptMax:
			wrong("negative_prompt", "maxLength", fmt.Sprintf("Shorten the negative prompt to %d characters.", m.PromptMax))
		}
	}

	p := Parameters{NumImages: 1, OutputFormat: m.OutputFormats[0], Quality: m.Qualities[0].ID}

	quality := m.Qualities[0]
	if s.Quality != nil {
		i := slices.IndexFunc(m.Qualities, func(q Quality) bool { return q.ID == *s.Quality })
		if i < 0 {
			wrong("quality", "enum", "This model does not have that quality. Choose one of: "+strings.Join(m.qualityIDs(), ", ")+".")
		} else {
			quality = m.Qualities[i]
			p.Quality = quality.ID
		}
	}

	if s.OutputFormat != nil {
		p.OutputFormat = *s.OutputFormat
		if !slices.Contains(m.OutputFormats, p.OutputFormat) {
			wrong("output_format", "enum", "This model does not make that format. Choose one of: "+strings.Join(m.OutputFormats, ", ")+".")
		}
	}

	if s.NumImages != nil {
		p.NumImages = *s.NumImages
		if p.NumImages < 1 || p.NumImages > m.MaxImages {
			wrong("num_images", "maximum", fmt.Sprintf("Ask for 1 to %d images.", m.MaxImages))
		}
	}

	switch {
	case s.Seed == nil:
		p.Seed = rand.Int64N(SeedMax + 1) //nolint:gosec // a picture's seed is no secret
	case *s.Seed < 0 || *s.Seed > SeedMax:
		wrong("seed", "maximum", "The seed must be from 0 to 9007199254740991 (2^53 − 1).")
	default:
		p.Seed = *s.Seed
	}

	c.resolveSize(s, m, quality, &p, wrong)
	checkMetadata(s.Metadata, wrong)

	if len(fields) > 0 {
		return Model{}, Parameters{}, ErrInvalid.WithFields(fields...)
	}

	return m, p, nil
}

func (c *Catalogue) resolveSize(s Submission, m Model, q Quality, p *Parameters, wrong func(pointer, keyword, detail string)) {
	if s.Width != nil || s.Height != nil {
		switch {
		case s.AspectRatio != nil:
			wrong("aspect_ratio", "not", "Give either aspect_ratio or width and height.")
		case s.Width == nil:
			wrong("width", "required", "Give width together with height.")
		case s.Height == nil:
			wrong("height", "required", "Give height together with width.")
		case !m.sizeAllowed(*s.Width, *s.Height):
			detail := fmt.Sprintf("Each side must be %d to %d pixels and a multiple of %d, and both together at most %d pixels.",
				m.Sides.Min, m.Sides.Max, m.Sides.MultipleOf, m.Sides.MaxPixels)
			wrong("width", "size", detail)
		default:
			p.Width, p.Height = *s.Width, *s.Height
		}

		return
	}

	p.AspectRatio = m.AspectRatios[0]
	if s.AspectRatio != nil {
		p.AspectRatio = *s.AspectRatio
	}

	if !slices.Contains(m.AspectRatios, p.AspectRatio) {
		wrong("aspect_ratio", "enum", "This model does not have that aspect ratio. Choose one of: "+strings.Join(m.AspectRatios, ", ")+".")

		return
	}

	p.Width, p.Height, _ = m.size(p.AspectRatio, q) // the catalogue was checked at start
}

// size scales a ratio such as "16:9" to the quality's size class, rounded down to what the
// model takes so that it never costs the next megapixel.
func (m Model) size(ratio string, q Quality) (width, height int, err error) {
	a, b, ok := strings.Cut(ratio, ":")
	rw, errW := strconv.ParseFloat(a, 64)
	rh, errH := strconv.ParseFloat(b, 64)

	if !ok || errW != nil || errH != nil || rw <= 0 || rh <= 0 {
		return 0, 0, fmt.Errorf("aspect ratio is not of the form 16:9")
	}

	round := func(x float64) int { return int(math.Floor(x/float64(m.Sides.MultipleOf)+1e-9)) * m.Sides.MultipleOf }
	long := math.Sqrt(float64(q.Pixels) * rw / rh)

	return round(long), round(float64(q.Pixels) / long), nil
}

func (m Model) sizeAllowed(width, height int) bool {
	for _, side := range []int{width, height} {
		if side < m.Sides.Min || side > m.Sides.Max || side%m.Sides.MultipleOf != 0 {
			return false
		}
	}

	return width*height <= m.Sides.MaxPixels
}

func (m Model) qualityIDs() []string {
	ids := make([]string, len(m.Qualities))
	for i, q := range m.Qualities {
		ids[i] = q.ID
	}

	return ids
}

// checkMetadata allows a small flat map of strings: enough to carry the caller's own ids.
func checkMetadata(raw json.RawMessage, wrong func(pointer, keyword, detail string)) {
	if len(raw) == 0 {
		return
	}

	var m map[string]string
	if err := json.Unmarshal(raw, &m); err != nil {
		wrong("metadata", "type", "Metadata is a flat object whose values are strings.")

		return
	}

	if len(m) > metadataMax {
		wrong("metadata", "maxProperties", fmt.Sprintf("Metadata holds at most %d entries.", metadataMax))
	}

	for k, v := range m {
		if len(k) > 64 || len(v) > 512 {
			wrong("metadata", "maxLength", "A metadata key has at most 64 bytes and a value at most 512.")

			return
		}
	}
}

// input is the request in the provider's words (fal docs, model pages).
func (m Model) input(prompt, negative string, p Parameters) (json.RawMessage, error) {
	in := map[string]any{
		"prompt":                prompt,
		"image_size":            map[string]int{"width": p.Width, "height": p.Height},
		"num_inference_steps":   m.steps(p.Quality),
		"num_images":            p.NumImages,
		"seed":                  p.Seed,
		"output_format":         p.OutputFormat,
		"enable_safety_checker": true,
	}

	if m.NegativePrompt && negative != "" {
		in["negative_prompt"] = negative
	}

	maps.Copy(in, m.Input)

	return json.Marshal(in)
}

func (m Model) steps(quality string) int {
	for _, q := range m.Qualities {
		if q.ID == quality {
			return q.Steps
		}
	}

	return m.Qualities[0].Steps // the catalogue changed under a waiting task
}
