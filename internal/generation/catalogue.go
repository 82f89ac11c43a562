package generation

// Model is one row of the catalogue: what a model accepts, in our words, and how to ask for it
// in its provider's.
type Model struct {
	ID             string    `json:"id"` // ours, such as "flux-dev"
	Name           string    `json:"name"`
	Description    string    `json:"description"`
	Provider       string    `json:"provider"` // whose slots it uses
	Endpoint       string    `json:"endpoint"` // the provider's model id
	PromptMax      int       `json:"prompt_max"`
	NegativePrompt bool      `json:"negative_prompt"`
	AspectRatios   []string  `json:"aspect_ratios"`
	Sides          Sides     `json:"sides"`
	Qualities      []Quality `json:"qualities"`      // the first is the default
	OutputFormats  []string  `json:"output_formats"` // the first is the default
	MaxImages      int       `json:"max_images"`
	Input          []string  `json:"input"` // the provider's optional input fields that this model knows
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
