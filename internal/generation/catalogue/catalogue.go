package catalogue

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"imagerun/internal/strictjson"
)

//go:embed catalogue.json
var embedded []byte

// Catalogue is the list of models.
type Catalogue struct {
	Models []Model `json:"models"`
	// Hash names this exact catalogue; it is kept with each generation.
	Hash string `json:"-"`
}

// Load reads and checks a catalogue; nil data is the embedded one. The error lists every mistake
// at once.
func Load(data []byte) (*Catalogue, error) {
	if data == nil {
		data = embedded
	}

	var c Catalogue
	if err := strictjson.Decode(data, &c); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}

	sum := sha256.Sum256(data)
	c.Hash = hex.EncodeToString(sum[:8])

	var errs []error
	if len(c.Models) == 0 {
		errs = append(errs, errors.New("no models"))
	}

	for i, m := range c.Models {
		if err := m.checkModel(); err != nil {
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

// Has reports whether there is a model of that id.
func (c *Catalogue) Has(id string) bool {
	_, ok := c.Find(id)

	return ok
}

// IDs lists the models' ids, in the catalogue's order.
func (c *Catalogue) IDs() []string {
	ids := make([]string, len(c.Models))
	for i, m := range c.Models {
		ids[i] = m.ID
	}

	return ids
}

// Providers lists whose models there are, in the catalogue's order.
func (c *Catalogue) Providers() []string {
	var names []string

	for _, m := range c.Models {
		if !slices.Contains(names, m.Provider) {
			names = append(names, m.Provider)
		}
	}

	return names
}
