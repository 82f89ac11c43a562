package creemsim

// The types of custom fields.
const (
	fieldText     = "text"
	fieldCheckbox = "checkbox"
)

// customField is something more that the checkout asks for.
type customField struct {
	Type     string `json:"type"`
	Key      string `json:"key"`
	Label    string `json:"label"`
	Optional bool   `json:"optional"`
	Text     *struct {
		MinLength *int `json:"min_length"`
		MaxLength *int `json:"max_length"`
	} `json:"text"`
	Checkbox *struct {
		Label string `json:"label"`
	} `json:"checkbox"`

	value string // what was written or, of a checkbox, whether it was ticked
}

// renderFields writes them as answers do, where the least length has another name than in requests.
func renderFields(fields []customField) []object {
	out := []object{}

	for _, f := range fields {
		one := object{"type": f.Type, "key": f.Key, "label": f.Label, "optional": f.Optional}

		switch f.Type {
		case fieldText:
			text := object{"value": f.value}

			if f.Text != nil && f.Text.MinLength != nil {
				text["minimum_length"] = *f.Text.MinLength
			}

			if f.Text != nil && f.Text.MaxLength != nil {
				text["max_length"] = *f.Text.MaxLength
			}

			one["text"] = text
		case fieldCheckbox:
			box := object{"value": f.value != ""}
			if f.Checkbox != nil {
				box["label"] = f.Checkbox.Label
			}

			one["checkbox"] = box
		}

		out = append(out, one)
	}

	return out
}

// ReadValue is what the page begins with.
func (f customField) ReadValue() string { return f.value }

// ReadLabel is what the page asks: of a checkbox its own text, if it has one.
func (f customField) ReadLabel() string {
	if f.Checkbox != nil && f.Checkbox.Label != "" {
		return f.Checkbox.Label
	}

	return f.Label
}
