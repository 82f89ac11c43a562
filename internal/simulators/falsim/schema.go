package falsim

import (
	"maps"
	"net/http"
	"slices"
)

// unit is what the imitated models are charged by.
const unit = "megapixel"

// serveModels lists the endpoints, and with expand=openapi-3.0 what each of them accepts.
// https://docs.fal.ai/platform-apis/v1/models (read 2026-11)
func (s *Sim) serveModels(w http.ResponseWriter, r *http.Request, _ []byte) {
	l, ok := s.readListing(r, maxFound)
	if !ok {
		s.refuseCall(w, http.StatusBadRequest, "validation_error", "Invalid query parameters")

		return
	}

	known := imitatedModels()
	ids := slices.DeleteFunc(sortedKeys(known), func(id string) bool {
		return len(l.endpoints) > 0 && !slices.Contains(l.endpoints, id)
	})

	writeJSON(w, http.StatusOK, pageOf(l, "models", ids, func(id string) map[string]any {
		m := known[id]
		category := "text-to-image"

		if m.image {
			category = "image-to-image"
		}

		row := map[string]any{"endpoint_id": id, "metadata": map[string]any{"display_name": id, "category": category, "status": "active"}}
		if slices.Contains(l.expand, "openapi-3.0") {
			row["openapi"] = m.openAPI(id)
		}

		return row
	}))
}

// openAPI describes a model's input.
func (m *model) openAPI(id string) map[string]any {
	properties, required := map[string]any{}, []string{}

	for _, f := range m.fields {
		properties[f.name] = f.jsonSchema(m)

		if f.required {
			required = append(required, f.name)
		}
	}

	input := map[string]any{"type": "object", "properties": properties, "required": required}
	body := map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Input"}}}

	return map[string]any{
		"openapi":    "3.0.4",
		"info":       map[string]any{"title": id, "version": "1.0.0"},
		"components": map[string]any{"schemas": map[string]any{"Input": input}},
		"paths": map[string]any{"/" + id: map[string]any{"post": map[string]any{
			"requestBody": map[string]any{"required": true, "content": body},
			"responses":   map[string]any{"200": map[string]any{"description": "The request's status."}},
		}}},
	}
}

func (f field) jsonSchema(m *model) map[string]any {
	out := map[string]any{}

	switch f.kind {
	case isString:
		out["type"] = "string"
	case isOneOf:
		out["type"], out["enum"] = "string", f.oneOf
	case isBool:
		out["type"] = "boolean"
	case isList:
		out["type"], out["items"] = "array", map[string]any{}
	case isSize:
		side := map[string]any{"type": "integer", "minimum": 1, "maximum": maxSide, "default": 512}
		out["anyOf"] = []any{
			map[string]any{"type": "object", "properties": map[string]any{"width": side, "height": side}},
			map[string]any{"type": "string", "enum": m.sizes},
		}
	case isInt, isFloat:
		out["type"] = map[kind]string{isInt: "integer", isFloat: "number"}[f.kind]

		if f.min != 0 || f.max != 0 {
			out["minimum"], out["maximum"] = f.min, f.max
		}
	}

	return out
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
