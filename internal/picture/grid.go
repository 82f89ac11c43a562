package picture

// transform takes the samples of a pixel, of 0 to 1 each, to linear light of the primaries of sRGB. What
// sRGB cannot show is below 0 or above 1.
type transform func(in [4]float64) [3]float64

// grid is a transform that was asked at the points of a lattice and is interpolated between them,
// so that a pixel costs the same whatever a profile does. It is interpolated in linear light, and
// clipped afterwards: light adds up, and what is clipped has a corner.
type grid struct {
	channels int
	axis     []position // by sample
	stride   [4]int     // between neighbours of an axis, in points
	points   [][3]int32 // light, 1 being unit
	samples  []byte     // of light from 0 to unit
}

const (
	unit      = 1 << 14
	brightest = 8 // of which a grid takes notice
)

// position is where on an axis a sample is: behind which point, and how many of 256 parts of the
// way to the next.
type position struct{ cell, part int32 }

// The samples of an axis: those of 8 bits, or the first 12 bits of those of 16.
const (
	samples8  = 1 << 8
	samples12 = 1 << 12
)

// newGrid asks t beforehand. With 33 points an axis a colour is off by less than one of 255, with
// 17 for four channels by little more than the profile's own table is.
func newGrid(t transform, channels, samples int) *grid {
	steps := map[int]int{1: 256, 3: 33, 4: 17}[channels]
	at := spaceEvenly(steps)
	place := func(x float64) float64 { return x * float64(steps-1) }

	if channels == 3 {
		at, place = bendAxis(t, steps)
	}

	g := &grid{channels: channels, axis: make([]position, samples)}

	for i := range g.axis {
		p := min(max(place(float64(i)/float64(samples-1)), 0), float64(steps-1))
		cell := min(int32(p), int32(steps)-2) //nolint:gosec // a few points
		g.axis[i] = position{cell, int32((p-float64(cell))*256 + 0.5)}
	}

	size := 1
	for c := channels - 1; c >= 0; c-- {
		g.stride[c] = size
		size *= steps
	}

	g.points, g.samples = make([][3]int32, size), make([]byte, unit+1)

	for i := range g.samples {
		g.samples[i] = byte(encodeSRGB(float64(i)/unit)*255 + 0.5)
	}

	for i := range g.points {
		var in [4]float64
		for c := range channels {
			in[c] = at[i/g.stride[c]%steps]
		}

		for c, v := range t(in) {
			g.points[i][c] = int32(min(max(v, -brightest), brightest) * unit)
		}
	}

	return g
}

func spaceEvenly(steps int) []float64 {
	at := make([]float64, steps)
	for i := range at {
		at[i] = float64(i) / float64(steps-1)
	}

	return at
}

// bendAxis places the points of an axis evenly in the greys that come out, so that the shadows of a
// picture in linear light have as many as those of any other. It returns where they are, and on
// which a sample is.
func bendAxis(t transform, steps int) (at []float64, place func(float64) float64) {
	// A tenth of the sample itself keeps apart what is clipped.
	grey := func(x float64) float64 {
		out := t([4]float64{x, x, x})

		return 0.3*(encodeSRGB(out[0])+encodeSRGB(out[1])+encodeSRGB(out[2])) + 0.1*x
	}

	low, high := grey(0), grey(1)
	for i := range 256 { // a profile may do what it likes
		if here := grey(float64(i) / 255); i > 0 && here <= grey(float64(i-1)/255) {
			return spaceEvenly(steps), func(x float64) float64 { return x * float64(steps-1) }
		}
	}

	place = func(x float64) float64 { return (grey(x) - low) / (high - low) * float64(steps-1) }
	at = make([]float64, steps)

	for i := range at {
		from, to := 0.0, 1.0
		for range 20 {
			if middle := (from + to) / 2; place(middle) < float64(i) {
				from = middle
			} else {
				to = middle
			}
		}

		at[i] = to
	}

	at[0] = 0

	return at, place
}

// colourAt returns the colour of a pixel with these samples. It walks from the near corner of its cell to
// the far one along the axes, that first on which the pixel is farthest (Kasson, Plouffe and Nin,
// "A tetrahedral interpolation technique for color space conversion", 1993), for any number of axes.
func (g *grid) colourAt(in *[4]int) (red, green, blue byte) {
	var (
		part   [4]int32
		stride [4]int
		sum    [3]int32
		corner int
	)

	for c := range g.channels {
		p := g.axis[in[c]]
		corner += int(p.cell) * g.stride[c]

		i := c
		for ; i > 0 && part[i-1] < p.part; i-- {
			part[i], stride[i] = part[i-1], stride[i-1]
		}

		part[i], stride[i] = p.part, g.stride[c]
	}

	left := int32(256)

	for c := range g.channels {
		weight, point := left-part[c], &g.points[corner]
		sum[0] += weight * point[0]
		sum[1] += weight * point[1]
		sum[2] += weight * point[2]
		left = part[c]
		corner += stride[c]
	}

	point := &g.points[corner]

	return g.sampleOf(sum[0] + left*point[0]), g.sampleOf(sum[1] + left*point[1]), g.sampleOf(sum[2] + left*point[2])
}

// sampleOf returns the sample of so much light, in 256ths of a unit.
func (g *grid) sampleOf(light int32) byte { return g.samples[min(max((light+128)>>8, 0), unit)] }
