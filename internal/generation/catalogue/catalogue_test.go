package catalogue_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"imagerun/internal/fault"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/plan"
	"imagerun/internal/redact"
)

func load(t testing.TB) *catalogue.Catalogue {
	t.Helper()

	c, err := catalogue.Load(nil)
	require.NoError(t, err)

	return c
}

func request(model string, edits ...func(*catalogue.Request)) catalogue.Request {
	r := catalogue.Request{Model: model, Prompt: redact.NewPersonal("a red fox")}
	for _, edit := range edits {
		edit(&r)
	}

	return r
}

func reference(w, h int, strength *float64) func(*catalogue.Request) {
	return func(r *catalogue.Request) {
		r.Reference = &catalogue.Reference{UploadID: uuid.New(), Width: w, Height: h, Strength: strength}
	}
}

func TestLoad_SaysAllThatIsWrong(t *testing.T) {
	t.Parallel()

	_, err := catalogue.Load([]byte(`{"models":[{"id":"a","provider":"x","text":{"endpoint":"e","input":{"p":"$promt"}}},{"id":"a"}]}`))
	require.ErrorContains(t, err, "provider must be fal")
	require.ErrorContains(t, err, "id is used twice")
	require.ErrorContains(t, err, "$promt, which is no word of ours")
	require.ErrorContains(t, err, "text.input lacks $seed")

	// What the API would accept and nobody would tell the provider.
	_, err = catalogue.Load([]byte(`{"models":[{"id":"a","max_images":2,"output_formats":["png","jpeg"],
		"text":{"endpoint":"e","input":{"p":"$prompt","s":"$seed"}},
		"image":{"endpoint":"e","input":{"p":"$prompt","s":"$seed","w":"$width"}}}]}`))
	require.ErrorContains(t, err, "text.input lacks $num_images")
	require.ErrorContains(t, err, "text.input lacks $output_format")
	require.ErrorContains(t, err, "text.input must say the size")
	require.ErrorContains(t, err, "image.input needs $width and $height together")

	_, err = catalogue.Load([]byte(`{"modls":[]}`))
	require.Error(t, err)

	_, err = plan.Load([]byte(`{"plans":[{"id":"pro","slots":0}]}`))
	require.ErrorContains(t, err, `no plan "free"`)
	require.NotErrorIs(t, err, catalogue.ErrInvalid)
}

// A model that nobody wrote code for: other names, another shape, no size but a ratio.
func TestInput_ANewModelIsDataOnly(t *testing.T) {
	t.Parallel()

	c, err := catalogue.Load([]byte(`{"models":[{
		"id": "banana", "name": "Banana", "description": "", "provider": "fal", "prompt_max": 100,
		"aspect_ratios": ["1:1", "16:9"], "sides": {"min": 64, "max": 4096, "multiple_of": 1, "max_pixels": 9000000},
		"qualities": [{"id": "standard", "steps": 1, "pixels": 1000000, "prices": [{"pixels": 1, "credits": 2}]}], "output_formats": ["png"], "max_images": 1,
		"text": {"endpoint": "acme/banana", "input": {"text": "$prompt", "options": {"ratio": "$aspect_ratio", "seed": "$seed"}, "avoid": ["$negative_prompt"], "price": "5 $"}},
		"image": {"endpoint": "acme/banana/edit", "strength": {"min": 0, "max": 1, "default": 0.5},
			"input": {"text": "$prompt", "seed": "$seed", "image_urls": ["$reference_url"], "strength": "$strength"}}
	}]}`))
	require.NoError(t, err)

	m, p, err := c.Resolve(request("banana", func(r *catalogue.Request) { r.AspectRatio = new("16:9"); r.Seed = new(int64(7)) }))
	require.NoError(t, err)

	input, err := m.Input(p, catalogue.Texts{Prompt: redact.NewPersonal("$seed for 5 $")})
	require.NoError(t, err)
	requireEndpoint(t, "acme/banana", m, p)
	require.JSONEq(t, `{"text": "$seed for 5 $", "options": {"ratio": "16:9", "seed": 7}, "avoid": [], "price": "5 $"}`, string(input))

	_, _, err = c.Resolve(request("banana", func(r *catalogue.Request) { r.Width, r.Height = new(512), new(512) }))
	require.Equal(t, "#/width", fields(t, err)[0].Pointer, "nobody would tell the provider")

	_, _, err = c.Resolve(request("banana", reference(300, 200, nil), func(r *catalogue.Request) { r.NegativePrompt = new(redact.NewPersonal("fog")) }))
	require.Equal(t, "#/negative_prompt", fields(t, err)[0].Pointer, "its image form has none")

	m, p, err = c.Resolve(request("banana", reference(300, 200, nil), func(r *catalogue.Request) { r.Seed = new(int64(7)) }))
	require.NoError(t, err)

	input, err = m.Input(p, catalogue.Texts{Prompt: redact.NewPersonal("x"), ReferenceURL: redact.NewPersonal("https://bucket.example/r")})
	require.NoError(t, err)
	requireEndpoint(t, "acme/banana/edit", m, p)
	require.JSONEq(t, `{"text": "x", "seed": 7, "image_urls": ["https://bucket.example/r"], "strength": 0.5}`, string(input))
}

// The embedded models, each form in its provider's words: what falls out of this test is sent.
func TestInput_OfTheEmbeddedModels(t *testing.T) {
	t.Parallel()

	c := load(t)
	texts := catalogue.Texts{Prompt: redact.NewPersonal("a red fox"), ReferenceURL: redact.NewPersonal("https://bucket.example/r")}

	for name, tt := range map[string]struct {
		request  catalogue.Request
		endpoint string
		input    string
	}{
		"z-image-turbo": {
			request("z-image-turbo"), "fal-ai/z-image/turbo",
			`{"prompt": "a red fox", "image_size": {"width": 1024, "height": 1024}, "num_inference_steps": 8, "num_images": 1, "seed": 1,
			  "output_format": "png", "enable_safety_checker": true, "acceleration": "regular", "enable_prompt_expansion": false}`,
		},
		"z-image-turbo, reference": {
			request("z-image-turbo", reference(1600, 900, nil)), "fal-ai/z-image/turbo/image-to-image",
			`{"prompt": "a red fox", "image_size": {"width": 1360, "height": 768}, "num_inference_steps": 8, "num_images": 1, "seed": 1,
			  "output_format": "png", "enable_safety_checker": true, "acceleration": "regular", "enable_prompt_expansion": false,
			  "image_url": "https://bucket.example/r", "strength": 0.6}`,
		},
		"flux-schnell": {
			request("flux-schnell"), "fal-ai/flux/schnell",
			`{"prompt": "a red fox", "image_size": {"width": 1024, "height": 1024}, "num_inference_steps": 4, "num_images": 1, "seed": 1,
			  "output_format": "jpeg", "enable_safety_checker": true}`,
		},
		"flux-dev, reference: it has no image_size": {
			request("flux-dev", reference(800, 600, new(0.3))), "fal-ai/flux/dev/image-to-image",
			`{"prompt": "a red fox", "num_inference_steps": 28, "num_images": 1, "seed": 1, "output_format": "jpeg", "enable_safety_checker": true,
			  "guidance_scale": 3.5, "image_url": "https://bucket.example/r", "strength": 0.3}`,
		},
		"qwen-image": {
			request("qwen-image"), "fal-ai/qwen-image",
			`{"prompt": "a red fox", "image_size": {"width": 1024, "height": 1024}, "num_inference_steps": 30, "num_images": 1, "seed": 1,
			  "output_format": "png", "enable_safety_checker": true, "guidance_scale": 2.5}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			tt.request.Seed = new(int64(1))

			m, p, err := c.Resolve(tt.request)
			require.NoError(t, err)

			input, err := m.Input(p, texts)
			require.NoError(t, err)
			requireEndpoint(t, tt.endpoint, m, p)
			require.JSONEq(t, tt.input, string(input))
		})
	}

	m, p, err := c.Resolve(request("qwen-image", func(r *catalogue.Request) { r.NegativePrompt = new(redact.NewPersonal("fog")) }))
	require.NoError(t, err)

	input, err := m.Input(p, catalogue.Texts{Prompt: redact.NewPersonal("x"), NegativePrompt: redact.NewPersonal("fog")})
	require.NoError(t, err)
	require.Contains(t, string(input), `"negative_prompt":"fog"`)
}

func TestResolve_Refuses(t *testing.T) {
	t.Parallel()

	c := load(t)

	for name, tt := range map[string]struct {
		request catalogue.Request
		want    []string // pointer keyword
	}{
		"no such model":          {request("dalle"), []string{"#/model enum"}},
		"a prompt of blanks":     {request("flux-dev", func(r *catalogue.Request) { r.Prompt = redact.NewPersonal("\u00a0\u200b\n\u2060") }), []string{"#/prompt minLength"}},
		"a prompt too long":      {request("flux-dev", func(r *catalogue.Request) { r.Prompt = redact.NewPersonal(strings.Repeat("ä", 2001)) }), []string{"#/prompt maxLength"}},
		"a reference with none":  {request("flux-schnell", reference(512, 512, nil)), []string{"#/reference unsupported"}},
		"strength above":         {request("flux-dev", reference(512, 512, new(1.01))), []string{"#/reference/strength range"}},
		"strength below":         {request("flux-dev", reference(512, 512, new(0.0))), []string{"#/reference/strength range"}},
		"a size where none fits": {request("flux-dev", reference(512, 512, nil), func(r *catalogue.Request) { r.AspectRatio = new("1:1") }), []string{"#/reference size"}},
		"fallback unknown":       {request("flux-dev", func(r *catalogue.Request) { r.FallbackModels = []string{"dalle"} }), []string{"#/fallback_models/0 enum"}},
		"fallback to itself":     {request("flux-dev", func(r *catalogue.Request) { r.FallbackModels = []string{"flux-dev"} }), []string{"#/fallback_models/0 uniqueItems"}},
		"fallback without a reference": {
			request("flux-dev", reference(512, 512, nil), func(r *catalogue.Request) { r.FallbackModels = []string{"z-image-turbo", "flux-schnell"} }),
			[]string{"#/fallback_models/1 unsupported"},
		},
		"fallback without the format": {
			request("z-image-turbo", func(r *catalogue.Request) { r.OutputFormat = new("webp"); r.FallbackModels = []string{"flux-dev"} }),
			[]string{"#/fallback_models/0 unsupported"},
		},
		"fallback without the size": {
			request("z-image-turbo", func(r *catalogue.Request) {
				r.Quality = new("high")
				r.FallbackModels = []string{"flux-dev"}
				r.AspectRatio = new("16:9")
			}),
			[]string{"#/fallback_models/0 unsupported"},
		},
		"everything at once": {
			request("flux-dev", func(r *catalogue.Request) {
				r.Prompt, r.NumImages, r.Seed, r.Width = redact.NewPersonal(""), new(9), new(int64(-1)), new(8)
				r.Metadata = json.RawMessage(`{"a":1}`)
			}),
			[]string{"#/prompt minLength", "#/num_images maximum", "#/seed maximum", "#/height required", "#/metadata type"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, _, err := c.Resolve(tt.request)
			require.ErrorIs(t, err, catalogue.ErrInvalid)

			var got []string
			for _, f := range fields(t, err) {
				got = append(got, f.Pointer+" "+f.Keyword)
			}

			require.Empty(t, cmp.Diff(tt.want, got))
		})
	}
}

// Whatever the reference's shape, the size that is asked for is one that the model takes.
func TestResolve_AnyReferenceFits(t *testing.T) {
	t.Parallel()

	c := load(t)

	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 20000).Draw(t, "w"), rapid.IntRange(1, 20000).Draw(t, "h")
		quality := rapid.SampledFrom([]string{"draft", "standard", "high"}).Draw(t, "quality")

		m, p, err := c.Resolve(request("z-image-turbo", reference(w, h, nil), func(r *catalogue.Request) { r.Quality = &quality }))
		if err != nil {
			t.Fatal(err)
		}

		for _, side := range []int{p.Width, p.Height} {
			if side < m.Sides.Min || side > m.Sides.Max || side%m.Sides.MultipleOf != 0 {
				t.Fatalf("%d×%d", p.Width, p.Height)
			}
		}
	})
}

// A reference keeps its size at flux-dev; the model that stands in has sizes of its own.
func TestInput_AModelThatStandsInAsksForASizeThatItHas(t *testing.T) {
	t.Parallel()

	c := load(t)
	_, p, err := c.Resolve(request("flux-dev", reference(3001, 999, nil), func(r *catalogue.Request) {
		r.OutputFormat, r.FallbackModels = new("png"), []string{"z-image-turbo"}
	}))
	require.NoError(t, err)

	m, _ := c.Find("z-image-turbo")
	input, err := m.Input(p, catalogue.Texts{Prompt: redact.NewPersonal("x"), ReferenceURL: redact.NewPersonal("https://bucket.example/r")})
	require.NoError(t, err)

	var in struct {
		Size struct{ Width, Height int } `json:"image_size"`
	}

	require.NoError(t, json.Unmarshal(input, &in))

	for _, side := range []int{in.Size.Width, in.Size.Height} {
		require.True(t, side >= m.Sides.Min && side <= m.Sides.Max && side%m.Sides.MultipleOf == 0, "%v", in.Size)
	}

	require.InDelta(t, 3001.0/999, float64(in.Size.Width)/float64(in.Size.Height), 0.1, "the reference's shape")
}

func fields(t *testing.T, err error) []fault.Field {
	t.Helper()

	var f *fault.Error

	require.ErrorAs(t, err, &f)

	return f.Fields
}

func requireEndpoint(t *testing.T, want string, m catalogue.Model, p catalogue.Parameters) {
	t.Helper()

	got, ok := m.Endpoint(p)
	require.True(t, ok)
	require.Equal(t, want, got)
}
