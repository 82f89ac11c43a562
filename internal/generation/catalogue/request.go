package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"imagerun/internal/fault"
	"imagerun/internal/redact"
)

// ErrInvalid answers a request that the catalogue does not allow; its fields say where.
var ErrInvalid = fault.New(fault.Invalid, "validation_failed", "The request is not valid. See errors for what to change; nothing was started.")

const (
	metadataMax  = 16 // entries the caller may attach
	fallbacksMax = 3  // models the caller may allow instead
)

// judge looks at one request for one model.
type judge struct {
	Request

	model   Model
	form    Form
	quality Quality
	p       Parameters
	fields  []fault.Field
}

func (j *judge) addFault(pointer, keyword, detail string) {
	j.fields = append(j.fields, fault.Field{Pointer: "#/" + pointer, Keyword: keyword, Detail: detail})
}

// Resolve judges a request by the catalogue and fills in defaults. The error is [ErrInvalid]
// with every wrong field at once.
func (c *Catalogue) Resolve(r Request) (Model, Parameters, error) {
	m, ok := c.Find(r.Model)
	if !ok {
		return Model{}, Parameters{}, ErrInvalid.WithFields(fault.Field{
			Pointer: "#/model", Keyword: "enum", Detail: "There is no such model. Choose one of: " + strings.Join(c.IDs(), ", ") + ".",
		})
	}

	j := judge{Request: r, model: m}
	j.judgeByModel()
	j.judgeMetadata()
	c.judgeFallbacks(&j)

	if len(j.fields) > 0 {
		return Model{}, Parameters{}, ErrInvalid.WithFields(j.fields...)
	}

	return m, j.p, nil
}

// judgeByModel judges everything that depends on the model.
func (j *judge) judgeByModel() {
	m := j.model
	j.form, j.quality = m.Text, m.Qualities[0]
	if j.Reference != nil && m.Image != nil {
		j.form = *m.Image
	}

	j.p = Parameters{NumImages: 1, OutputFormat: m.OutputFormats[0], Quality: j.quality.ID}

	j.judgePrompts()
	j.judgeReference()

	if j.Quality != nil {
		if q, ok := m.findQuality(*j.Quality); ok {
			j.quality, j.p.Quality = q, q.ID
		} else {
			j.addFault("quality", "enum", "This model does not have that quality. Choose one of: "+strings.Join(m.qualityIDs(), ", ")+".")
		}
	}

	if j.OutputFormat != nil {
		j.p.OutputFormat = *j.OutputFormat
		if !slices.Contains(m.OutputFormats, j.p.OutputFormat) {
			j.addFault("output_format", "enum", "This model does not make that format. Choose one of: "+strings.Join(m.OutputFormats, ", ")+".")
		}
	}

	if j.NumImages != nil {
		j.p.NumImages = *j.NumImages
		if j.p.NumImages < 1 || j.p.NumImages > m.MaxImages {
			j.addFault("num_images", "maximum", askForImages(m.MaxImages))
		}
	}

	switch {
	case j.Seed == nil:
		j.p.Seed = rand.Int64N(SeedMax + 1) //nolint:gosec // a picture's seed is no secret
	case *j.Seed < 0 || *j.Seed > SeedMax:
		j.addFault("seed", "maximum", "The seed must be from 0 to 9007199254740991 (2^53 − 1).")
	default:
		j.p.Seed = *j.Seed
	}

	j.judgeSize()
}

func askForImages(most int) string {
	if most == 1 {
		return "This model makes one image at a time: ask for 1."
	}

	return fmt.Sprintf("Ask for 1 to %d images.", most)
}

func (j *judge) judgePrompts() {
	switch {
	case isBlank(j.Prompt):
		j.addFault("prompt", "minLength", "Describe the picture: the prompt must not be empty.")
	case utf8.RuneCountInString(j.Prompt.Reveal()) > j.model.PromptMax:
		j.addFault("prompt", "maxLength", fmt.Sprintf("Shorten the prompt to %d characters.", j.model.PromptMax))
	}

	switch {
	case j.NegativePrompt == nil:
	case !j.form.Input.usesWord(wordNegativePrompt):
		j.addFault("negative_prompt", "unsupported", "This model has no negative prompt. Leave it out, or choose a model that has one.")
	case utf8.RuneCountInString(j.NegativePrompt.Reveal()) > j.model.PromptMax:
		j.addFault("negative_prompt", "maxLength", fmt.Sprintf("Shorten the negative prompt to %d characters.", j.model.PromptMax))
	}
}

func (j *judge) judgeReference() {
	if j.Reference == nil {
		return
	}

	if j.model.Image == nil {
		j.addFault("reference", "unsupported", "This model does not start from a picture. Leave the reference out, or choose a model that does.")

		return
	}

	strength := j.form.Strength.Default

	if given := j.Reference.Strength; given != nil {
		if strength = *given; !(strength >= j.form.Strength.Min && strength <= j.form.Strength.Max) { // NaN is neither
			j.addFault("reference/strength", "range", fmt.Sprintf("The strength must be from %g to %g for this model.", j.form.Strength.Min, j.form.Strength.Max))
		}
	}

	j.p.Strength = &strength
}

func (j *judge) judgeSize() {
	given := j.Width != nil || j.Height != nil

	switch ref := j.Reference; {
	case ref != nil && !j.form.Resizes():
		if given || j.AspectRatio != nil {
			j.addFault("reference", "size", "With a reference this model keeps the reference's size. Leave aspect_ratio, width and height out.")
		}

		j.p.Width, j.p.Height = ref.Width, ref.Height
	case given:
		j.judgeExactSize()
	case ref != nil && j.form.takesExactSize() && j.AspectRatio == nil && ref.Width > 0 && ref.Height > 0:
		j.p.Width, j.p.Height = j.model.fitToModel(float64(ref.Width)/float64(ref.Height), j.quality)
	default:
		j.judgeRatioSize()
	}
}

func (j *judge) judgeExactSize() {
	m := j.model

	switch {
	case j.AspectRatio != nil:
		j.addFault("aspect_ratio", "not", "Give either aspect_ratio or width and height.")
	case j.Width == nil:
		j.addFault("width", "required", "Give width together with height.")
	case j.Height == nil:
		j.addFault("height", "required", "Give height together with width.")
	case !j.form.takesExactSize():
		j.addFault("width", "unsupported", "This model takes an aspect_ratio. Leave width and height out.")
	case !m.sizeAllowed(*j.Width, *j.Height):
		detail := fmt.Sprintf("Each side must be %d to %d pixels and a multiple of %d, and both together at most %d pixels.",
			m.Sides.Min, m.Sides.Max, m.Sides.MultipleOf, m.Sides.MaxPixels)
		j.addFault("width", "size", detail)
	default:
		j.p.Width, j.p.Height = *j.Width, *j.Height
	}
}

func (j *judge) judgeRatioSize() {
	j.p.AspectRatio = j.model.AspectRatios[0]
	if j.AspectRatio != nil {
		j.p.AspectRatio = *j.AspectRatio
	}

	if !slices.Contains(j.model.AspectRatios, j.p.AspectRatio) {
		j.addFault("aspect_ratio", "enum", "This model does not have that aspect ratio. Choose one of: "+strings.Join(j.model.AspectRatios, ", ")+".")

		return
	}

	j.p.Width, j.p.Height, _ = j.model.sizeOfRatio(j.p.AspectRatio, j.quality) // the catalogue was checked at start
}

// judgeFallbacks judges the models that the caller allows instead: each must take this very request.
func (c *Catalogue) judgeFallbacks(j *judge) {
	if len(j.FallbackModels) > fallbacksMax {
		j.addFault("fallback_models", "maxItems", fmt.Sprintf("Allow at most %d other models.", fallbacksMax))

		return
	}

	for i, id := range j.FallbackModels {
		pointer := fmt.Sprintf("fallback_models/%d", i)
		m, ok := c.Find(id)

		switch {
		case !ok:
			j.addFault(pointer, "enum", "There is no such model. Choose one of: "+strings.Join(c.IDs(), ", ")+".")
		case id == j.model.ID || slices.Contains(j.FallbackModels[:i], id):
			j.addFault(pointer, "uniqueItems", "Name each other model once.")
		case len(j.fields) == 0 && !m.takesRequest(j.Request, j.p):
			j.addFault(pointer, "unsupported", "This model cannot serve the same request. Leave it out, or ask for a size, quality and format that it has.")
		}
	}

	j.p.FallbackModels = j.FallbackModels
}

// takesRequest reports whether the model can serve a request with the parameters found for another.
func (m Model) takesRequest(r Request, p Parameters) bool {
	r.Quality, r.OutputFormat, r.NumImages, r.Seed = &p.Quality, &p.OutputFormat, &p.NumImages, &p.Seed

	if r.Reference != nil {
		ref := *r.Reference
		ref.Strength, r.Reference = p.Strength, &ref
	}

	j := judge{Request: r, model: m}
	j.judgeByModel()

	return len(j.fields) == 0 && (p.AspectRatio == "" || m.sizeAllowed(p.Width, p.Height))
}

// judgeMetadata allows a small flat map of strings: enough to carry the caller's own ids.
func (j *judge) judgeMetadata() {
	if len(j.Metadata) == 0 {
		return
	}

	var entries map[string]string
	if err := json.Unmarshal(j.Metadata, &entries); err != nil {
		j.addFault("metadata", "type", "Metadata is a flat object whose values are strings.")

		return
	}

	if len(entries) > metadataMax {
		j.addFault("metadata", "maxProperties", fmt.Sprintf("Metadata holds at most %d entries.", metadataMax))
	}

	for k, v := range entries {
		if len(k) > 64 || len(v) > 512 {
			j.addFault("metadata", "maxLength", "A metadata key has at most 64 bytes and a value at most 512.")

			return
		}
	}
}

// isBlank reports whether a text shows nothing: spaces of any script, and what has no width.
func isBlank(text redact.Personal) bool {
	return strings.TrimFunc(text.Reveal(), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Cc)
	}) == ""
}

func parseRatio(ratio string) (w, h float64, err error) {
	a, b, ok := strings.Cut(ratio, ":")
	w, errW := strconv.ParseFloat(a, 64)
	h, errH := strconv.ParseFloat(b, 64)

	if !ok || errW != nil || errH != nil || w <= 0 || h <= 0 {
		return 0, 0, errors.New("aspect ratio is not of the form 16:9")
	}

	return w, h, nil
}
