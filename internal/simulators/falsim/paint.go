package falsim

import (
	"crypto/sha256"
	"encoding/binary"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// picture says what to paint. The same picture is the same bytes, always.
type picture struct {
	subject string // prompt, and whatever else is to change the picture
	caption string // its first words are written on the picture
	seed    int64
	width   int // pixels
	height  int // pixels
	black   bool
	tint    *tint // colours of a reference; nil: none
}

// The palette: 160 shades of sky, six layers of land with 14 shades each, and four for the rest.
const (
	skyShades  = 160
	landLayers = 6
	landShades = 14
	firstLand  = skyShades
	sunColour  = firstLand + landLayers*landShades
	haloColour = sunColour + 1
	inkColour  = sunColour + 2
	bandColour = sunColour + 3
)

// paintImage makes the picture. An indexed image costs a byte per pixel, and every encoder is quick
// with it: 1024×1024 takes a few milliseconds before encoding.
func (p picture) paintImage() *image.Paletted {
	img := image.NewPaletted(image.Rect(0, 0, p.width, p.height), color.Palette{color.Black})
	if p.black {
		return img
	}

	sum := sha256.Sum256([]byte(p.subject + "\x00" + strconv.FormatInt(p.seed, 10)))
	rng := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:]))) //nolint:gosec // a picture, not a secret

	img.Palette = pickPalette(rng, p.tint)

	switch rng.IntN(6) {
	case 0:
		paintWaves(img, rng)
	case 1:
		paintOrbits(img, rng)
	default:
		paintLand(img, rng)
	}

	writeCaption(img, p.caption)

	return img
}

// pickPalette picks three related hues for the sky, which a reference tints, and a darker family for the land.
func pickPalette(rng *rand.Rand, tint *tint) color.Palette {
	hue := rng.Float64()
	stops := []color.RGBA{
		fromHSV(hue, 0.75, 0.30),
		fromHSV(hue+0.06+0.08*rng.Float64(), 0.65, 0.75),
		fromHSV(hue+0.15+0.15*rng.Float64(), 0.45, 0.98),
	}

	if tint != nil {
		for i := range stops {
			stops[i] = blendColours(tint.colours[i], stops[i], tint.strength)
		}
	}

	pal := make(color.Palette, 0, 256)

	for i := range skyShades {
		t := float64(i) / (skyShades - 1) * float64(len(stops)-1)
		k := min(int(t), len(stops)-2)
		pal = append(pal, blendColours(stops[k], stops[k+1], t-float64(k)))
	}

	ground := hue + 0.45 + 0.1*rng.Float64()
	for layer := range landLayers {
		v := 0.72 - 0.1*float64(layer)
		for shade := range landShades {
			pal = append(pal, fromHSV(ground+0.01*float64(layer), 0.35+0.06*float64(layer), v-0.012*float64(shade)))
		}
	}

	return append(pal,
		fromHSV(hue+0.5, 0.18, 1), fromHSV(hue+0.5, 0.35, 0.98), // sun and halo
		color.RGBA{R: 250, G: 250, B: 250, A: 255}, color.RGBA{R: 16, G: 16, B: 24, A: 255}) // ink and its band
}

// paintLand is a sky, a sun and layers of hills.
func paintLand(img *image.Paletted, rng *rand.Rand) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	scale := float64(min(w, h))
	cx, cy := (0.2+0.6*rng.Float64())*float64(w), (0.18+0.25*rng.Float64())*float64(h)
	radius := (0.07 + 0.08*rng.Float64()) * scale

	for y := range h {
		shade := uint8(y * (skyShades - 1) / h) //nolint:gosec // < 160
		row := img.Pix[y*img.Stride : y*img.Stride+w]

		for x := range row {
			row[x] = shade
		}

		// The sun and its halo only touch a few columns of a few rows.
		dy := float64(y) - cy
		for _, disc := range []struct {
			r float64
			c uint8
		}{{radius * 1.25, haloColour}, {radius, sunColour}} {
			if half := disc.r*disc.r - dy*dy; half > 0 {
				dx := math.Sqrt(half)
				for x := max(0, int(cx-dx)); x < min(w, int(cx+dx)); x++ {
					row[x] = disc.c
				}
			}
		}
	}

	for layer := range landLayers {
		base := (0.5 + 0.085*float64(layer)) * float64(h)
		paintHills(img, rng, layer, base, scale)
	}
}

func paintHills(img *image.Paletted, rng *rand.Rand, layer int, base, scale float64) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	f1, f2, f3 := 2+3*rng.Float64(), 7+6*rng.Float64(), 18+14*rng.Float64()
	p1, p2, p3 := 7*rng.Float64(), 7*rng.Float64(), 7*rng.Float64()

	for x := range w {
		t := float64(x) / float64(w)
		top := base + scale*(0.07*math.Sin(f1*t+p1)+0.025*math.Sin(f2*t+p2)+0.008*math.Sin(f3*t+p3))

		for y := max(0, int(top)); y < h; y++ {
			shade := min((y-int(top))*landShades*4/h, landShades-1)
			img.Pix[y*img.Stride+x] = uint8(firstLand + layer*landShades + shade) //nolint:gosec // < 256
		}
	}
}

// paintWaves adds three plane waves and reads the sum as a shade of the sky.
func paintWaves(img *image.Paletted, rng *rand.Rand) {
	const period = 1024

	var sine [period]int
	for i := range sine {
		sine[i] = int(1000 * math.Sin(2*math.Pi*float64(i)/period))
	}

	w, h := img.Rect.Dx(), img.Rect.Dy()

	type wave struct{ x, y, phase int }

	var waves [3]wave
	for i := range waves {
		angle, cycles := 2*math.Pi*rng.Float64(), 0.8+2.2*rng.Float64()
		step := cycles * period * 256 / float64(max(w, h))
		waves[i] = wave{int(step * math.Cos(angle)), int(step * math.Sin(angle)), rng.IntN(period * 256)}
	}

	for y := range h {
		row := img.Pix[y*img.Stride : y*img.Stride+w]
		a, b, c := waves[0].phase+y*waves[0].y, waves[1].phase+y*waves[1].y, waves[2].phase+y*waves[2].y

		for x := range row {
			sum := sine[(a>>8)&(period-1)] + sine[(b>>8)&(period-1)] + sine[(c>>8)&(period-1)]
			row[x] = uint8((sum + 3000) * (skyShades - 1) / 6000) //nolint:gosec // 0…159
			a, b, c = a+waves[0].x, b+waves[1].x, c+waves[2].x
		}
	}
}

// paintOrbits draws rings around a few centres, like ripples that meet.
func paintOrbits(img *image.Paletted, rng *rand.Rand) {
	w, h := img.Rect.Dx(), img.Rect.Dy()

	type centre struct{ x, y, step float64 }

	centres := make([]centre, 2+rng.IntN(2))
	for i := range centres {
		centres[i] = centre{rng.Float64() * float64(w), rng.Float64() * float64(h), float64(min(w, h)) * (0.05 + 0.08*rng.Float64())}
	}

	for y := range h {
		row := img.Pix[y*img.Stride : y*img.Stride+w]

		for x := range row {
			rings, fade := 0, 0.0

			for _, c := range centres {
				dx, dy := float64(x)-c.x, float64(y)-c.y
				d := math.Sqrt(dx*dx + dy*dy)
				rings += int(d / c.step)
				fade += d
			}

			shade := min(int(fade*skyShades/float64((w+h)*len(centres))), skyShades-25)
			row[x] = uint8(shade + rings%2*24) //nolint:gosec // < 160
		}
	}
}

// writeCaption writes as many of the first words as fit on a band at the foot.
func writeCaption(img *image.Paletted, text string) {
	face := basicfont.Face7x13
	w, h := img.Rect.Dx(), img.Rect.Dy()
	zoom := max(1, min(w, h)/400)

	var line string
	for word := range strings.FieldsSeq(text) {
		next := strings.TrimSpace(line + " " + word)
		if (len(next)+2)*face.Advance*zoom > w || len(next) > 48 {
			break
		}

		line = next
	}

	band := (face.Height + 8) * zoom
	if line == "" || band*2 > h {
		return
	}

	mask := image.NewAlpha(image.Rect(0, 0, len(line)*face.Advance, face.Height))
	drawer := font.Drawer{Dst: mask, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}
	drawer.DrawString(line)

	for y := h - band; y < h; y++ {
		row := img.Pix[y*img.Stride : y*img.Stride+w]
		for x := range row {
			row[x] = bandColour

			mx, my := x/zoom-face.Advance, (y-h+band)/zoom-4
			if mx >= 0 && mx < mask.Rect.Dx() && my >= 0 && my < mask.Rect.Dy() && mask.AlphaAt(mx, my).A > 0 {
				row[x] = inkColour
			}
		}
	}
}

func fromHSV(h, s, v float64) color.RGBA {
	h = (h - math.Floor(h)) * 6
	v = max(0, min(1, v))
	channel := func(n float64) uint8 {
		k := math.Mod(n+h, 6)

		return uint8(255 * (v - v*s*max(0, min(k, 4-k, 1))))
	}

	return color.RGBA{R: channel(5), G: channel(3), B: channel(1), A: 255}
}

func blendColours(a, b color.RGBA, t float64) color.RGBA {
	m := func(x, y uint8) uint8 { return uint8(float64(x)*(1-t) + float64(y)*t) }

	return color.RGBA{R: m(a.R, b.R), G: m(a.G, b.G), B: m(a.B, b.B), A: 255}
}
