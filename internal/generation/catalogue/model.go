package catalogue

import (
	"errors"
	"fmt"
	"slices"
)

// Model is one row of the catalogue.
type Model struct {
	ID            string    `json:"id"` // ours, such as "flux-dev"
	Name          string    `json:"name"`
	Description   string    `json:"description"`
	Provider      string    `json:"provider"`   // whose slots it uses
	PromptMax     int       `json:"prompt_max"` // characters
	AspectRatios  []string  `json:"aspect_ratios"`
	Sides         Sides     `json:"sides"`
	Qualities     []Quality `json:"qualities"`      // the first is the default
	OutputFormats []string  `json:"output_formats"` // the first is the default
	MaxImages     int       `json:"max_images"`
	Text          Form      `json:"text"`  // from a prompt
	Image         *Form     `json:"image"` // from a prompt and a reference; nil: it cannot
}

// Form is one way to ask a model.
type Form struct {
	Endpoint string    `json:"endpoint"` // the provider's model id
	Strength *Strength `json:"strength"` // of the image form
	Input    Recipe    `json:"input"`
}

// Strength is how far a picture may depart from its reference: 0 not at all, 1 wholly.
type Strength struct {
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Default float64 `json:"default"`
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
	Prices []Tier `json:"prices"` // by size, the smallest first
}

// Resizes reports whether the form makes pictures of a size that is asked for; otherwise they have
// their reference's.
func (f Form) Resizes() bool { return f.Input.usesWord(wordWidth) || f.Input.usesWord(wordAspectRatio) }

// takesExactSize reports whether the form takes any size, and not only a shape.
func (f Form) takesExactSize() bool { return f.Input.usesWord(wordWidth) }

// NegativePrompt reports whether the model knows what to leave out, at least without a reference.
func (m Model) NegativePrompt() bool { return m.Text.Input.usesWord(wordNegativePrompt) }

// Endpoints lists the provider's ids of the model's forms.
func (m Model) Endpoints() []string {
	if m.Image == nil {
		return []string{m.Text.Endpoint}
	}

	return []string{m.Text.Endpoint, m.Image.Endpoint}
}

// findForm is the one that a request of these parameters uses; false: the model has none.
func (m Model) findForm(p Parameters) (Form, bool) {
	switch {
	case p.Strength == nil:
		return m.Text, true
	case m.Image == nil:
		return Form{}, false
	default:
		return *m.Image, true
	}
}

// findQuality returns the step of that id.
func (m Model) findQuality(id string) (Quality, bool) {
	i := slices.IndexFunc(m.Qualities, func(q Quality) bool { return q.ID == id })
	if i < 0 {
		return Quality{}, false
	}

	return m.Qualities[i], true
}

func (m Model) qualityIDs() []string {
	ids := make([]string, len(m.Qualities))
	for i, q := range m.Qualities {
		ids[i] = q.ID
	}

	return ids
}

func (m Model) checkModel() error {
	var errs []error

	require := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}

	require(m.ID != "" && m.Name != "", "id and name are required")
	require(m.Provider == "fal", "provider must be fal")
	require(m.PromptMax > 0, "prompt_max must be positive")
	require(m.MaxImages >= 1 && m.MaxImages <= 4, "max_images must be 1 to 4")
	require(len(m.AspectRatios) > 0, "aspect_ratios must not be empty")
	require(m.Sides.Min > 0 && m.Sides.Max >= m.Sides.Min && m.Sides.MultipleOf > 0, "sides are not a range")
	require(m.Sides.MaxPixels <= m.Sides.Max*m.Sides.Max, "sides.max_pixels is beyond sides.max squared")
	require(len(m.Qualities) > 0, "qualities must not be empty")
	require(len(m.OutputFormats) > 0, "output_formats must not be empty")

	for _, f := range m.OutputFormats {
		require(slices.Contains([]string{"png", "jpeg", "webp"}, f), "output_formats may hold png, jpeg and webp")
	}

	for _, q := range m.Qualities {
		require(q.ID != "" && q.Steps > 0 && q.Pixels > 0, "a quality needs id, steps and pixels")
		errs = append(errs, q.checkPrices())

		for _, r := range m.AspectRatios {
			w, h, err := m.sizeOfRatio(r, q)
			require(err == nil, fmt.Sprintf("aspect ratio %q is not two numbers", r))
			require(err != nil || m.sizeAllowed(w, h), fmt.Sprintf("quality %q at %q is outside of sides", q.ID, r))
		}
	}

	needed := []string{wordPrompt, wordSeed}
	if m.MaxImages > 1 {
		needed = append(needed, wordNumImages)
	}

	if len(m.OutputFormats) > 1 {
		needed = append(needed, wordOutputFormat)
	}

	errs = append(errs, m.Text.checkForm("text", needed...))
	require(m.Text.Resizes(), "text.input must say the size: $width and $height, or $aspect_ratio")

	if f := m.Image; f != nil {
		errs = append(errs, f.checkForm("image", append(needed, wordReference, wordStrength)...))
		s := f.Strength
		require(s != nil && s.Min >= 0 && s.Min < s.Max && s.Max <= 1 && s.Default >= s.Min && s.Default <= s.Max,
			"image.strength must be a range within 0 and 1 that holds its default")
	}

	return errors.Join(errs...)
}

// checkForm verifies a form whose recipe must have these words: what a request may say must reach the
// provider, and without the seed one whose submit was not answered could not be found again.
func (f Form) checkForm(name string, words ...string) error {
	var errs []error

	if f.Endpoint == "" {
		errs = append(errs, fmt.Errorf("%s.endpoint is required", name))
	}

	for _, w := range f.Input.unknownWords() {
		errs = append(errs, fmt.Errorf("%s.input has %s, which is no word of ours", name, w))
	}

	if f.Input.usesWord(wordWidth) != f.Input.usesWord(wordHeight) {
		errs = append(errs, fmt.Errorf("%s.input needs $width and $height together", name))
	}

	for _, w := range words {
		if !f.Input.usesWord(w) {
			errs = append(errs, fmt.Errorf("%s.input lacks %s", name, w))
		}
	}

	return errors.Join(errs...)
}
