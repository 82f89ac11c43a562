package generation

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

//go:embed catalogue.json
var embeddedCatalogue []byte

// Catalogue is the list of models: data, so that a new model is a row and no code.
type Catalogue struct {
	Models []Model `json:"models"`
	// Hash names this exact catalogue; it is kept with each task.
	Hash string `json:"-"`
}

// Model is one row of the catalogue: what a model accepts, in our words, and how to ask for it
// in its provider's.
type Model struct {
	ID             string         `json:"id"` // ours, such as "flux-dev"
	Name           string         `json:"name"`
	Description    string         `json:"description"`
	Provider       string         `json:"provider"`   // whose slots it uses
	Endpoint       string         `json:"endpoint"`   // the provider's model id
	PromptMax      int            `json:"prompt_max"` // characters
	NegativePrompt bool           `json:"negative_prompt"`
	AspectRatios   []string       `json:"aspect_ratios"`
	Sides          Sides          `json:"sides"`
	Qualities      []Quality      `json:"qualities"`      // the first is the default
	OutputFormats  []string       `json:"output_formats"` // the first is the default
	MaxImages      int            `json:"max_images"`
	Input          map[string]any `json:"input"` // sent to the provider as it is, beside what we map
}

// Sides bound width and height, in pixels.
type Sides struct {
	Min        int `json:"min"`
	Max        int `json:"max"`
	MultipleOf int `json:"multiple_of"`
	MaxPixels  int `json:"max_pixels"` // width × height
}

// Quality is one step of the draft–standard–high scale.
type Quality struct {
	ID     string `json:"id"`
	Steps  int    `json:"steps"`  // inference steps
	Pixels int    `json:"pixels"` // the size class an aspect ratio is scaled to: width × height
}

// LoadCatalogue reads and checks a catalogue; nil data is the embedded one. The error lists
// every mistake at once.
func LoadCatalogue(data []byte) (*Catalogue, error) {
	if data == nil {
		data = embeddedCatalogue
	}

	var c Catalogue
	if err := decodeStrict(data, &c); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}

	sum := sha256.Sum256(data)
	c.Hash = hex.EncodeToString(sum[:8])

	var errs []error
	if len(c.Models) == 0 {
		errs = append(errs, errors.New("no models"))
	}

	for i, m := range c.Models {
		if err := m.check(); err != nil {
			errs = append(errs, fmt.Errorf("model %d (%q): %w", i, m.ID, err))
		}

		if slices.ContainsFunc(c.Models[:i], func(o Model) bool { return o.ID == m.ID }) {
			errs = append(errs, fmt.Errorf("model %d (%q): id is used twice", i, m.ID))
		}
	}

	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}

	return &c, nil
}

// Find returns the model of that id.
func (c *Catalogue) Find(id string) (Model, bool) {
	i := slices.IndexFunc(c.Models, func(m Model) bool { return m.ID == id })
	if i < 0 {
		return Model{}, false
	}

	return c.Models[i], true
}

// IDs lists the models' ids, in the catalogue's order.
func (c *Catalogue) IDs() []string {
	ids := make([]string, len(c.Models))
	for i, m := range c.Models {
		ids[i] = m.ID
	}

	return ids
}

func (m Model) check() error {
	var errs []error

	require := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}

	require(m.ID != "" && m.Name != "" && m.Endpoint != "", "id, name and endpoint are required")
	require(m.Provider == "fal", "provider must be fal")
	require(m.PromptMax > 0, "prompt_max must be positive")
	require(m.MaxImages >= 1 && m.MaxImages <= 4, "max_images must be 1 to 4")
	require(len(m.AspectRatios) > 0, "aspect_ratios must not be empty")
	require(m.Sides.Min > 0 && m.Sides.Max >= m.Sides.Min && m.Sides.MultipleOf > 0, "sides are not a range")
	require(m.Sides.MaxPixels <= m.Sides.Max*m.Sides.Max, "sides.max_pixels is beyond sides.max squared")
	require(len(m.Qualities) > 0, "qualities must not be empty")

	for _, f := range m.OutputFormats {
		require(slices.Contains([]string{"png", "jpeg", "webp"}, f), "output_formats may hold png, jpeg and webp")
	}

	require(len(m.OutputFormats) > 0, "output_formats must not be empty")

	for _, q := range m.Qualities {
		require(q.ID != "" && q.Steps > 0 && q.Pixels > 0, "a quality needs id, steps and pixels")

		for _, r := range m.AspectRatios {
			w, h, err := m.size(r, q)
			require(err == nil, fmt.Sprintf("aspect ratio %q is not two numbers", r))
			require(err != nil || m.sizeAllowed(w, h), fmt.Sprintf("quality %q at %q is outside of sides", q.ID, r))
		}
	}

	return errors.Join(errs...)
}

// decodeStrict decodes exactly one JSON value and refuses unknown fields.
func decodeStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()

	if err := d.Decode(into); err != nil {
		return err
	}

	if strings.TrimSpace(string(data[d.InputOffset():])) != "" {
		return errors.New("there is something after the JSON value")
	}

	return nil
}
