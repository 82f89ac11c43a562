package picture_test

import (
	"image"
	"image/color"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/picture"
)

// TestProveOpener_SanitizeAgainstAnother compares what is made of other people's sample files with what
// another decoder makes of them. IMAGERUN_PICTURES names a folder with one folder a kind of file, and
// in it for each file one more, with ".png" added to its name: what should be seen, in sRGB
// (testdata/references.py writes it). The table is in docs/pictures.md.
func TestProveOpener_SanitizeAgainstAnother(t *testing.T) {
	t.Parallel()

	folder := os.Getenv("IMAGERUN_PICTURES")
	if folder == "" {
		t.Skip("IMAGERUN_PICTURES names no folder of samples")
	}

	const tolerance = 3 // of 255, on average

	references, err := filepath.Glob(filepath.Join(folder, "*", "*.png"))
	require.NoError(t, err)

	opener := picture.NewOpener(picture.Limits{}, 1)
	kinds := map[string]*tally{}

	for _, reference := range references {
		sample := strings.TrimSuffix(reference, ".png")

		body, err := os.ReadFile(sample)
		if os.IsNotExist(err) {
			continue // a sample that is a PNG itself
		}

		require.NoError(t, err)

		name := filepath.Base(filepath.Dir(sample))
		if kinds[name] == nil {
			kinds[name] = &tally{}
		}

		kind := kinds[name]
		kind.files++

		got, err := opener.Sanitize(t.Context(), body)
		if err != nil {
			t.Logf("%s: %v", sample, err)

			continue
		}

		want, err := os.ReadFile(reference)
		require.NoError(t, err)

		difference := meanError(t, decodePNG(t, want), smooth(decodeSanitized(t, got)))
		kind.taken++
		kind.sum += difference
		kind.worst = max(kind.worst, difference)

		if difference > tolerance {
			t.Logf("%s: off by %.2f of 255", sample, difference)
		}
	}

	t.Log("| kind | files | taken | mean error | worst |")

	var all tally

	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[name]
		mean := k.sum / float64(max(k.taken, 1))
		t.Logf("| %s | %d | %d | %.2f | %.2f |", name, k.files, k.taken, mean, k.worst)

		if mean > tolerance {
			t.Errorf("%s: off by %.2f of 255", name, mean)
		}

		all.files += k.files
		all.taken += k.taken
	}

	require.NotZero(t, all.files, "there are no samples in %s", folder)
	require.Less(t, (all.files-all.taken)*50, all.files, "what is refused is not compared: a fiftieth at most")
}

// tally is what came of the files of a kind.
type tally struct {
	files, taken int
	sum, worst   float64 // of mean errors
}

// smooth shows colours that pixels share as viewers do: each pixel takes of those around it, by how
// near they are.
func smooth(decoded image.Image) image.Image {
	img, ok := decoded.(*image.YCbCr)
	if !ok {
		return decoded
	}

	size := img.Rect.Size()
	out := image.NewRGBA(img.Rect)
	across, down := float64(1), float64(1)

	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		across, down = 2, 2
	case image.YCbCrSubsampleRatio422:
		across = 2
	case image.YCbCrSubsampleRatio440:
		down = 2
	case image.YCbCrSubsampleRatio411:
		across = 4
	case image.YCbCrSubsampleRatio410:
		across, down = 4, 2
	default:
	}

	// What is as small as this libjpeg does not smooth.
	const smallest = 4
	if size.X <= smallest {
		return decoded
	}

	width, height := int(math.Ceil(float64(size.X)/across)), int(math.Ceil(float64(size.Y)/down))
	at := func(plane []byte, x, y int) float64 {
		return float64(plane[min(max(y, 0), height-1)*img.CStride+min(max(x, 0), width-1)])
	}

	for y := range size.Y {
		for x := range size.X {
			left, fx := math.Modf((float64(x)+0.5)/across + 0.5)
			top, fy := math.Modf((float64(y)+0.5)/down + 0.5)
			i, j := int(left)-1, int(top)-1

			between := func(plane []byte) byte {
				above := at(plane, i, j)*(1-fx) + at(plane, i+1, j)*fx
				below := at(plane, i, j+1)*(1-fx) + at(plane, i+1, j+1)*fx

				return byte(above*(1-fy) + below*fy + 0.5)
			}

			r, g, b := color.YCbCrToRGB(img.Y[y*img.YStride+x], between(img.Cb), between(img.Cr))
			out.SetRGBA(x, y, color.RGBA{R: r, G: g, B: b, A: 255})
		}
	}

	return out
}
