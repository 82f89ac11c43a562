package falsim

import "slices"

// model is what one endpoint accepts. Field lists, defaults and prices are from fal's model
// pages and generated client types (read 2026-08 to 2026-11).
type model struct {
	price     float64 // US dollars a megapixel
	roundUp   bool    // megapixels are rounded up, per image
	pydantic1 bool    // writes errors in the older shape
	image     bool    // takes image_url
	sizes     []string
	fields    []field
	strength  float64 // default
	format    string  // default output_format
}

// kind is the type of an input field.
type kind int

const (
	isString kind = iota
	isInt
	isFloat
	isBool
	isOneOf
	isSize
	isList
)

type field struct {
	name     string
	kind     kind
	required bool
	min, max float64 // bounds of numbers, both inclusive; both 0: none. Of a list: how long it may be
	oneOf    []string
}

// presets are the named sizes that the text-to-image models share.
var presets = map[string][2]int{ //nolint:gochecknoglobals // a table
	"square_hd": {1024, 1024}, "square": {512, 512},
	"portrait_4_3": {768, 1024}, "portrait_16_9": {576, 1024},
	"landscape_4_3": {1024, 768}, "landscape_16_9": {1024, 576},
}

const (
	defaultSize = "landscape_4_3"
	autoSize    = "auto"
	maxSide     = 14142
)

// imitatedModels lists the endpoints that are imitated.
func imitatedModels() map[string]*model {
	sizes := []string{"square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"}
	jpegPNG, all := []string{"jpeg", "png"}, []string{"jpeg", "png", "webp"}
	prompt := field{name: "prompt", kind: isString, required: true}
	image := field{name: "image_url", kind: isString, required: true}
	steps := func(lo, hi float64) field { return field{name: "num_inference_steps", kind: isInt, min: lo, max: hi} }
	guidance := func(lo float64) field { return field{name: "guidance_scale", kind: isFloat, min: lo, max: 20} }
	strength := func(lo float64) field { return field{name: "strength", kind: isFloat, min: lo, max: 1} }
	shared := func(formats []string, more ...field) []field {
		return append(more,
			prompt,
			field{name: "num_images", kind: isInt, min: 1, max: 4},
			field{name: "seed", kind: isInt},
			field{name: "sync_mode", kind: isBool},
			field{name: "enable_safety_checker", kind: isBool},
			field{name: "output_format", kind: isOneOf, oneOf: formats},
			field{name: "acceleration", kind: isOneOf, oneOf: []string{"none", "regular", "high"}})
	}
	size := field{name: "image_size", kind: isSize}
	expand := field{name: "enable_prompt_expansion", kind: isBool}
	negative := field{name: "negative_prompt", kind: isString}
	loras := field{name: "loras", kind: isList, max: 3}
	mask := field{name: "mask_image_url", kind: isString, required: true}
	qwen := []field{steps(2, 250), guidance(0), negative, loras, {name: "use_turbo", kind: isBool}}
	control := []field{}

	for _, name := range []string{"control_scale", "control_start", "control_end"} {
		control = append(control, field{name: name, kind: isFloat, max: 1})
	}

	preprocess := field{name: "preprocess", kind: isOneOf, oneOf: []string{"none", "canny", "depth", "pose"}}
	auto := append(slices.Clip(sizes), autoSize)
	// turbo is z-image's with more fields, and those of its own LoRA form.
	turbo := func(price, strength float64, image bool, more ...field) *model {
		m := &model{price: price, format: "png", sizes: sizes, image: image, strength: strength, fields: shared(all, append(more, size, steps(1, 8), expand)...)}
		if image {
			m.sizes = auto
		}

		return m
	}
	edits, inpaints := []field{image, strength(0)}, append([]field{image, mask, strength(0)}, control...)
	controls := append([]field{image, preprocess}, control...)
	lora := func(fields []field) []field { return append(slices.Clip(fields), loras) }
	base := []field{size, steps(1, 50), guidance(1), negative}

	return map[string]*model{
		"fal-ai/z-image/turbo/lora":                turbo(0.0085, 0, false, loras),
		"fal-ai/z-image/turbo/image-to-image/lora": turbo(0.0085, 0.6, true, lora(edits)...),
		"fal-ai/z-image/turbo/inpaint":             turbo(0.005, 1, true, inpaints...),
		"fal-ai/z-image/turbo/inpaint/lora":        turbo(0.0085, 1, true, lora(inpaints)...),
		"fal-ai/z-image/turbo/controlnet":          turbo(0.0065, 1, true, controls...),
		"fal-ai/z-image/turbo/controlnet/lora":     turbo(0.0065, 1, true, lora(controls)...),
		"fal-ai/z-image/base": {
			price: 0.005, format: "png", sizes: sizes, fields: shared(all, base...),
		},
		"fal-ai/z-image/base/lora": {
			price: 0.0085, format: "png", sizes: sizes, fields: shared(all, lora(base)...),
		},
		"fal-ai/z-image/turbo":                turbo(0.005, 0, false),
		"fal-ai/z-image/turbo/image-to-image": turbo(0.005, 0.6, true, edits...),
		"fal-ai/flux/schnell": {
			price: 0.003, roundUp: true, format: "jpeg", sizes: sizes, pydantic1: true,
			fields: shared(jpegPNG, size, steps(1, 12), guidance(1)),
		},
		"fal-ai/flux/dev": {
			price: 0.025, roundUp: true, format: "jpeg", sizes: sizes,
			fields: shared(jpegPNG, size, steps(1, 50), guidance(1)),
		},
		"fal-ai/flux/dev/image-to-image": {
			price: 0.025, roundUp: true, format: "jpeg", image: true, strength: 0.95,
			fields: shared(jpegPNG, image, steps(10, 50), guidance(1), strength(0.01)),
		},
		"fal-ai/qwen-image": {
			price: 0.02, format: "png", sizes: sizes,
			fields: shared(jpegPNG, append(slices.Clip(qwen), size)...),
		},
		"fal-ai/qwen-image/image-to-image": {
			price: 0.02, format: "png", sizes: sizes, image: true, strength: 0.6,
			fields: shared(jpegPNG, append(slices.Clip(qwen), size, image, strength(0))...),
		},
	}
}
