package catalogue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"imagerun/internal/redact"
)

// Recipe is a provider's input object with our words in it; see the package's doc.
type Recipe map[string]any

// Our words.
const (
	wordPrompt         = "$prompt"
	wordNegativePrompt = "$negative_prompt"
	wordWidth          = "$width"
	wordHeight         = "$height"
	wordAspectRatio    = "$aspect_ratio"
	wordSteps          = "$steps"
	wordNumImages      = "$num_images"
	wordSeed           = "$seed"
	wordOutputFormat   = "$output_format"
	wordReference      = "$reference_url"
	wordStrength       = "$strength"
)

var words = []string{
	wordPrompt, wordNegativePrompt, wordWidth, wordHeight, wordAspectRatio, wordSteps,
	wordNumImages, wordSeed, wordOutputFormat, wordReference, wordStrength,
}

// Texts are the personal values of a request, which are not among its [Parameters].
type Texts struct {
	Prompt         redact.Personal
	NegativePrompt redact.Personal // zero: none
	ReferenceURL   redact.Personal // a short-lived link; zero: none
}

// Endpoint is the provider's model id for these parameters; false: the model cannot serve them.
func (m Model) Endpoint(p Parameters) (string, bool) {
	f, ok := m.findForm(p)

	return f.Endpoint, ok && f.Endpoint != ""
}

// Input is the request in the provider's words. The error says that the model cannot serve
// these parameters.
func (m Model) Input(p Parameters, t Texts) (json.RawMessage, error) {
	f, ok := m.findForm(p)
	if !ok || len(m.Qualities) == 0 {
		return nil, fmt.Errorf("model %q does not serve this", m.ID)
	}

	q, ok := m.findQuality(p.Quality)
	if !ok {
		q = m.Qualities[0] // the catalogue changed under a waiting generation
	}

	// Where it stands in for a model that keeps its reference's size, that may be none of its own.
	if p.Strength != nil && f.Resizes() && !m.sizeAllowed(p.Width, p.Height) {
		p.Width, p.Height = m.fitToModel(float64(max(p.Width, 1))/float64(max(p.Height, 1)), q)
	}

	values := map[string]any{
		wordPrompt: t.Prompt.Reveal(), wordWidth: p.Width, wordHeight: p.Height, wordSteps: q.Steps,
		wordNumImages: p.NumImages, wordSeed: p.Seed, wordOutputFormat: p.OutputFormat,
	}

	for word, text := range map[string]string{
		wordNegativePrompt: t.NegativePrompt.Reveal(), wordReference: t.ReferenceURL.Reveal(), wordAspectRatio: p.AspectRatio,
	} {
		if text != "" {
			values[word] = text
		}
	}

	if p.Strength != nil {
		values[wordStrength] = *p.Strength
	}

	filled, _ := fillWords(map[string]any(f.Input), values)

	return json.Marshal(filled)
}

// fillWords replaces the words in a JSON value; false: it is a word without a value.
func fillWords(v any, values map[string]any) (any, bool) {
	switch v := v.(type) {
	case string:
		if !strings.HasPrefix(v, "$") {
			return v, true
		}

		value, ok := values[v]

		return value, ok
	case map[string]any:
		out := make(map[string]any, len(v))

		for name, member := range v {
			if value, ok := fillWords(member, values); ok {
				out[name] = value
			}
		}

		return out, true
	case []any:
		out := make([]any, 0, len(v))

		for _, member := range v {
			if value, ok := fillWords(member, values); ok {
				out = append(out, value)
			}
		}

		return out, true
	default:
		return v, true
	}
}

func (r Recipe) usesWord(word string) bool { return slices.Contains(wordsIn(map[string]any(r)), word) }

// unknownWords lists what looks like a word of ours and is none.
func (r Recipe) unknownWords() []string {
	return slices.DeleteFunc(wordsIn(map[string]any(r)), func(w string) bool { return slices.Contains(words, w) })
}

func wordsIn(v any) (found []string) {
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "$") {
			found = append(found, v)
		}
	case map[string]any:
		for _, member := range v {
			found = append(found, wordsIn(member)...)
		}
	case []any:
		for _, member := range v {
			found = append(found, wordsIn(member)...)
		}
	}

	return found
}
