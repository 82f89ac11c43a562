package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"

	"golang.org/x/image/draw"
)

// thumbHashSide is the longest side of what is hashed, in pixels: more changes nothing.
const thumbHashSide = 100

// ThumbHash returns a placeholder of about 25 bytes for a thumbnail of [Opener.Open], to be shown until that has
// arrived: its average colour, its shape, and its lowest frequencies (https://evanw.github.io/thumbhash).
func ThumbHash(thumbnail []byte) ([]byte, error) {
	img, err := jpeg.Decode(bytes.NewReader(thumbnail))
	if err != nil {
		return nil, fmt.Errorf("decode thumbnail: %w", err)
	}

	small := image.NewNRGBA(image.Rectangle{Max: fitWithin(img.Bounds().Size(), thumbHashSide)})
	draw.BiLinear.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)

	return thumbHash(small), nil
}

// thumbHash is rgbaToThumbHash of the reference implementation, without what it does for transparent pixels: a
// thumbnail has none.
func thumbHash(img *image.NRGBA) []byte {
	const maxFrequencies = 7 // frequencies of luminance along the longer side

	w, h := img.Rect.Dx(), img.Rect.Dy()
	lx := max(1, int(math.Round(float64(maxFrequencies*w)/float64(max(w, h)))))
	ly := max(1, int(math.Round(float64(maxFrequencies*h)/float64(max(w, h)))))

	// Luminance, yellow against blue, red against green.
	lum, yb, rg := make([]float64, w*h), make([]float64, w*h), make([]float64, w*h)

	for i := range w * h {
		c := img.At(i%w, i/w).(color.NRGBA)
		r, g, b := float64(c.R)/255, float64(c.G)/255, float64(c.B)/255
		lum[i], yb[i], rg[i] = (r+g+b)/3, (r+g)/2-b, r-g
	}

	l, p, q := measureFrequencies(lum, w, h, max(3, lx), max(3, ly)), measureFrequencies(yb, w, h, 3, 3), measureFrequencies(rg, w, h, 3, 3)

	landscape, shorter := 0, lx
	if w > h {
		landscape, shorter = 1, ly
	}

	head := roundInt(63*l.dc) | roundInt(31.5+31.5*p.dc)<<6 | roundInt(31.5+31.5*q.dc)<<12 | roundInt(31*l.scale)<<18
	tail := shorter | roundInt(63*p.scale)<<3 | roundInt(63*q.scale)<<9 | landscape<<15
	hash := []byte{byte(head), byte(head >> 8), byte(head >> 16), byte(tail), byte(tail >> 8)}

	// Four bits each.
	n := 0

	for _, c := range []channel{l, p, q} {
		for _, f := range c.ac {
			if n%2 == 0 {
				hash = append(hash, 0)
			}

			hash[len(hash)-1] |= byte(roundInt(15*f) << (n % 2 * 4))
			n++
		}
	}

	return hash
}

func roundInt(f float64) int { return int(math.Round(f)) }

// channel is a cosine transform: the average, and the lowest frequencies from 0 to 1, on a scale.
type channel struct {
	dc, scale float64
	ac        []float64
}

// measureFrequencies transforms the values of w × h pixels into a triangle of nx and ny frequencies.
func measureFrequencies(values []float64, w, h, nx, ny int) (c channel) {
	fx := make([]float64, w)

	for cy := range ny {
		for cx := 0; cx*ny < nx*(ny-cy); cx++ {
			for x := range fx {
				fx[x] = math.Cos(math.Pi / float64(w) * float64(cx) * (float64(x) + 0.5))
			}

			var f float64

			for y := range h {
				fy := math.Cos(math.Pi / float64(h) * float64(cy) * (float64(y) + 0.5))
				for x := range w {
					f += values[x+y*w] * fx[x] * fy
				}
			}

			if f /= float64(w * h); cx == 0 && cy == 0 {
				c.dc = f
			} else {
				c.ac, c.scale = append(c.ac, f), max(c.scale, math.Abs(f))
			}
		}
	}

	if c.scale > 0 {
		for i := range c.ac {
			c.ac[i] = 0.5 + 0.5/c.scale*c.ac[i]
		}
	}

	return c
}
