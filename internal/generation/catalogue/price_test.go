package catalogue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation/catalogue"
)

func TestPrice(t *testing.T) {
	t.Parallel()

	c := load(t)

	for name, tc := range map[string]struct {
		edit func(*catalogue.Request)
		want catalogue.Prices
	}{
		"OfTheUsual":        {func(*catalogue.Request) {}, catalogue.Prices{"flux-dev": 5}},
		"BySteps":           {func(r *catalogue.Request) { r.Quality = new("high") }, catalogue.Prices{"flux-dev": 7}},
		"OfASmallOne":       {func(r *catalogue.Request) { r.Width, r.Height = new(768), new(768) }, catalogue.Prices{"flux-dev": 3}},
		"OfALargeOne":       {func(r *catalogue.Request) { r.Width, r.Height = new(1536), new(1536) }, catalogue.Prices{"flux-dev": 10}},
		"OfEachThatMayDoIt": {func(r *catalogue.Request) { r.FallbackModels = []string{"flux-schnell"} }, catalogue.Prices{"flux-dev": 5, "flux-schnell": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			m, p, err := c.Resolve(request("flux-dev", tc.edit))
			require.NoError(t, err)
			require.Equal(t, tc.want, c.Price(m, p))
			require.Equal(t, tc.want["flux-dev"], c.Price(m, p).Max())
		})
	}

	m, p, err := c.Resolve(request("z-image-turbo", reference(9000, 9000, nil)))
	require.NoError(t, err)
	require.Equal(t, catalogue.Prices{"z-image-turbo": 1}, c.Price(m, p), "of the picture that is made, not of its reference")
}

func TestLoad_RefusesPricesThatMakeNoSense(t *testing.T) {
	t.Parallel()

	const model = `{"models":[{"id": "banana", "name": "Banana", "provider": "fal", "prompt_max": 100, "aspect_ratios": ["1:1"],
		"sides": {"min": 64, "max": 4096, "multiple_of": 1, "max_pixels": 9000000},
		"qualities": [{"id": "standard", "steps": 1, "pixels": 1000000, "prices": PRICES}], "output_formats": ["png"], "max_images": 1,
		"text": {"endpoint": "acme/banana", "input": {"text": "$prompt", "ratio": "$aspect_ratio", "seed": "$seed"}}}]}`

	_, err := catalogue.Load([]byte(strings.Replace(model, "PRICES", `[{"pixels": 1, "credits": 1}, {"pixels": 2, "credits": 1}]`, 1)))
	require.NoError(t, err)

	for name, prices := range map[string]string{
		"None":        `[]`,
		"Astronomic":  `[{"pixels": 1, "credits": 4611686018427387904}]`,
		"Free":        `[{"pixels": 1, "credits": 0}]`,
		"OutOfOrder":  `[{"pixels": 2, "credits": 1}, {"pixels": 1, "credits": 2}]`,
		"LargerCheap": `[{"pixels": 1, "credits": 2}, {"pixels": 2, "credits": 1}]`,
	} {
		_, err := catalogue.Load([]byte(strings.Replace(model, "PRICES", prices, 1)))
		require.ErrorContains(t, err, "prices", name)
	}
}
