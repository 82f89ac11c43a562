package falsim

import (
	"encoding/json"
	"image"
	"math"
	"slices"
	"strconv"
	"strings"
)

// input is a submission's body, read and filled up with defaults.
type input struct {
	prompt    string
	negative  string
	reference string // image_url
	strength  float64
	tint      *tint // of the reference, when it has been looked at; nil: none
	size      any   // image_size as it was given
	width     int   // with a reference: when it has been looked at
	height    int
	images    int
	seed      int64
	format    string
	safety    bool
	syncMode  bool
}

// problem is one thing that a model refuses, as it is written in the error's detail.
type problem struct {
	Loc   []any          `json:"loc"`
	Msg   string         `json:"msg"`
	Type  string         `json:"type"`
	URL   string         `json:"url,omitempty"`
	Ctx   map[string]any `json:"ctx,omitempty"`
	Input any            `json:"input,omitempty"`
}

// maxPixels bounds a picture: falsim has no use for bigger ones, and painting is not free.
const maxPixels = 4096 * 4096

// parseInput validates the body against the model. Fields that the model does not know are ignored.
func (m *model) parseInput(body map[string]any, seed int64) (input, []problem) {
	in := input{images: 1, seed: seed, format: m.format, safety: true, strength: m.strength}

	var problems []problem

	for _, f := range m.fields {
		v, given := body[f.name]
		if !given || v == nil {
			if f.required {
				problems = append(problems, m.missingField(f.name, body))
			}

			continue
		}

		if p := m.checkField(f, v); p != nil {
			problems = append(problems, *p)

			continue
		}

		in.setField(f.name, v)
	}

	if len(problems) > 0 {
		return in, problems
	}

	if m.sizes != nil {
		in.size = body["image_size"]
	}

	if !m.image {
		in.width, in.height = m.pictureSize(in.size, image.Point{})
	}

	if strings.Contains(strings.ToLower(in.prompt), "forbidden") {
		problems = append(problems, falProblem("content_policy_violation", policyText, "prompt", in.prompt, map[string]any{}))
	} else if p := tooLarge(in); p != nil {
		problems = append(problems, *p)
	}

	return in, problems
}

// tooLarge refuses a picture that falsim does not paint.
func tooLarge(in input) *problem {
	if in.width*in.height <= maxPixels {
		return nil
	}

	p := falProblem("image_too_large", "Image too large", "image_size", nil, map[string]any{"max_height": 4096, "max_width": 4096})

	return &p
}

func (in *input) setField(name string, v any) {
	switch name {
	case "prompt":
		in.prompt, _ = v.(string)
	case "negative_prompt":
		in.negative, _ = v.(string)
	case "image_url":
		in.reference, _ = v.(string)
	case "strength":
		in.strength = parseNumber(v)
	case "num_images":
		in.images = int(parseNumber(v))
	case "seed":
		n, _ := v.(json.Number)
		in.seed, _ = n.Int64()
	case "output_format":
		in.format, _ = v.(string)
	case "enable_safety_checker":
		in.safety, _ = v.(bool)
	case "sync_mode":
		in.syncMode, _ = v.(bool)
	}
}

func (m *model) checkField(f field, v any) *problem {
	fail := func(kind1, msg1, kind2, msg2 string, ctx map[string]any) *problem {
		p := problem{Loc: []any{"body", f.name}, Msg: msg2, Type: kind2, Ctx: ctx, Input: v}
		if m.pydantic1 {
			p.Msg, p.Type, p.Input = msg1, kind1, nil
		}

		return &p
	}

	switch f.kind {
	case isString:
		if _, ok := v.(string); !ok {
			return fail("type_error.str", "str type expected", "string_type", "Input should be a valid string", nil)
		}
	case isBool:
		if _, ok := v.(bool); !ok {
			return fail("type_error.bool", "value could not be parsed to a boolean", "bool_parsing", "Input should be a valid boolean, unable to interpret input", nil)
		}
	case isList:
		list, ok := v.([]any)
		if !ok {
			return fail("type_error.list", "value is not a valid list", "list_type", "Input should be a valid list", nil)
		}

		if limit := int(f.max); limit > 0 && len(list) > limit {
			text := "List should have at most " + strconv.Itoa(limit) + " items after validation"

			return fail("value_error.list.max_items", text, "sequence_too_long", text, map[string]any{"max_length": limit})
		}
	case isOneOf:
		if s, _ := v.(string); !slices.Contains(f.oneOf, s) {
			return fail("value_error.const", "unexpected value; permitted: "+quoteList(f.oneOf), "literal_error", "Input should be "+quoteList(f.oneOf), map[string]any{"expected": quoteList(f.oneOf)})
		}
	case isSize:
		if !m.knowsSize(v) {
			return fail("value_error.const", "unexpected value; permitted: "+quoteList(m.sizes), "enum", "Input should be "+quoteList(m.sizes), map[string]any{"expected": quoteList(m.sizes)})
		}
	case isInt, isFloat:
		n := parseNumber(v)
		if math.IsNaN(n) || f.kind == isInt && n != math.Trunc(n) {
			return fail("type_error.integer", "value is not a valid integer", "int_parsing", "Input should be a valid integer, unable to parse string as an integer", nil)
		}

		if bounded := f.min != 0 || f.max != 0; bounded && n < f.min {
			b := strconv.FormatFloat(f.min, 'g', -1, 64)

			return fail("value_error.number.not_ge", "ensure this value is greater than or equal to "+b, "greater_than_equal", "Input should be greater than or equal to "+b, map[string]any{"ge": f.min})
		} else if bounded && n > f.max {
			b := strconv.FormatFloat(f.max, 'g', -1, 64)

			return fail("value_error.number.not_le", "ensure this value is less than or equal to "+b, "less_than_equal", "Input should be less than or equal to "+b, map[string]any{"le": f.max})
		}
	}

	return nil
}

func (m *model) missingField(name string, body map[string]any) problem {
	if m.pydantic1 {
		return problem{Loc: []any{"body", name}, Msg: "field required", Type: "value_error.missing"}
	}

	return problem{Loc: []any{"body", name}, Msg: "Field required", Type: "missing", Input: body}
}

func falProblem(kind, msg, name string, echo any, ctx map[string]any) problem {
	return problem{
		Loc: []any{"body", name}, Msg: msg, Type: kind, Input: echo, Ctx: ctx,
		URL: "https://docs.fal.ai/errors/#" + kind,
	}
}

func (m *model) knowsSize(v any) bool {
	switch v := v.(type) {
	case string:
		return slices.Contains(m.sizes, v)
	case map[string]any:
		for _, side := range []string{"width", "height"} {
			if n, ok := v[side]; ok {
				if n := parseNumber(n); math.IsNaN(n) || n != math.Trunc(n) || n <= 0 || n > maxSide {
					return false
				}
			}
		}

		return true
	default:
		return false
	}
}

// pictureSize works out width and height; a model that edits an image keeps the image's.
func (m *model) pictureSize(v any, reference image.Point) (width, height int) {
	switch v := v.(type) {
	case string:
		if v != autoSize {
			return presets[v][0], presets[v][1]
		}
	case map[string]any:
		side := func(name string) int {
			if n, ok := v[name]; ok {
				return int(parseNumber(n))
			}

			return 512
		}

		return side("width"), side("height")
	}

	if m.image {
		return reference.X, reference.Y
	}

	return presets[defaultSize][0], presets[defaultSize][1]
}

// parseNumber reads a JSON number; anything else is not a number.
func parseNumber(v any) float64 {
	n, ok := v.(json.Number)
	if !ok {
		return math.NaN()
	}

	f, err := n.Float64()
	if err != nil {
		return math.NaN()
	}

	return f
}

func quoteList(list []string) string {
	return "'" + strings.Join(list, "', '") + "'"
}
