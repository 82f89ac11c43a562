package falsim_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// Each form takes what it needs, says what is missing, and is charged at its own price.
func TestModels_Forms(t *testing.T) {
	t.Parallel()

	picture := `"image_url":"data:image/png;base64,` + base64.StdEncoding.EncodeToString(encodePNG(t, 64, 64)) + `"`

	for form, c := range map[string]struct {
		input, missing string
		price          float64
	}{
		"turbo/lora":                {`"loras":[{"path":"https://x.example/a"}]`, "prompt", 0.0085},
		"turbo/image-to-image/lora": {picture + `,"loras":[]`, "image_url", 0.0085},
		"turbo/inpaint":             {picture + `,"mask_image_url":"x","control_scale":0.5`, "mask_image_url", 0.005},
		"turbo/inpaint/lora":        {picture + `,"mask_image_url":"x"`, "mask_image_url", 0.0085},
		"turbo/controlnet":          {picture + `,"preprocess":"canny","control_end":0.8`, "image_url", 0.0065},
		"turbo/controlnet/lora":     {picture, "image_url", 0.0065},
		"base":                      {`"num_inference_steps":50,"guidance_scale":4,"negative_prompt":"fog"`, "prompt", 0.005},
		"base/lora":                 {`"loras":[]`, "prompt", 0.0085},
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()

			b := setup(t, falsim.Options{Duration: time.Second})
			endpoint := "fal-ai/z-image/" + form

			accepted := b.submit(endpoint, `{"prompt":"a fox",`+c.input+`}`)
			b.clock.Move(time.Second)
			require.NotContains(t, b.await(accepted).body, "error")
			require.Len(t, b.images(accepted), 1)

			event := rows(b.do("GET", "/v1/models/billing-events", ""), "billing_events")[0]
			require.InDelta(t, c.price, event["unit_price"], 1e-9)

			for body, want := range map[string]string{
				`{}`: `"` + c.missing + `"`,
				`{"prompt":"x","image_url":"x","mask_image_url":"x","num_inference_steps":51}`: "less_than_equal",
			} {
				accepted = b.submit(endpoint, body)
				r := b.do("GET", link(accepted, "response_url"), "")
				require.Equal(t, http.StatusUnprocessableEntity, r.status)
				require.Contains(t, string(r.raw), want)
			}
		})
	}
}

func TestModels_TakeThreeLoRAs(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/qwen-image", `{"prompt":"x","loras":[{},{},{},{}]}`)
	r := b.do("GET", link(accepted, "response_url"), "")
	require.Equal(t, http.StatusUnprocessableEntity, r.status)
	require.Contains(t, string(r.raw), `"ctx":{"max_length":3}`)
}
