package picture

import (
	"image"
	"image/color"
)

// convertToSRGB returns the picture with the colours that its file means, in the place of img where it has
// room: a person who opens the file sees the same. Samples of 16 bits become 8 where it converts.
func convertToSRGB(img image.Image, c colours) image.Image {
	if alpha, ok := img.(*image.NYCbCrA); ok {
		img = toNRGBA(alpha)
	}

	channels, samples := countChannels(img)

	t := c.findTransform(channels)
	if t == nil {
		if inks, ok := img.(*image.CMYK); ok {
			return mixInks(inks)
		}

		return img
	}

	return newGrid(t, channels, samples).convertImage(img)
}

// countChannels is how many channels the image has, and how many samples an axis of its grid.
func countChannels(img image.Image) (channels, samples int) {
	switch img.(type) {
	case *image.Gray:
		return 1, samples8
	case *image.Gray16:
		return 1, samples12
	case *image.CMYK:
		return 4, samples8
	case *image.RGBA64, *image.NRGBA64:
		return 3, samples12
	default:
		return 3, samples8
	}
}

// convertImage converts every pixel. Decoders give images that begin at the origin of their memory.
func (g *grid) convertImage(img image.Image) image.Image {
	switch img := img.(type) {
	case *image.Gray:
		g.convertGrey(img.Pix)
	case *image.Paletted:
		g.convertPalette(img.Palette)
	case *image.RGBA:
		g.convertRGB(img.Pix)
	case *image.NRGBA:
		g.convertRGB(img.Pix)
	case *image.YCbCr:
		g.convertYCbCr(img)
	case *image.CMYK:
		for i := 0; i+4 <= len(img.Pix); i += 4 {
			p := img.Pix[i : i+4]
			p[0], p[1], p[2] = g.colourAt(&[4]int{int(p[0]), int(p[1]), int(p[2]), int(p[3])})
			p[3] = 0xff
		}

		return &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}
	case *image.Gray16:
		out := image.NewGray(img.Rect)
		for i := range out.Pix {
			out.Pix[i], _, _ = g.colourAt(&[4]int{takeBits12(img.Pix[2*i:])})
		}

		return out
	case *image.RGBA64:
		out := image.NewRGBA(img.Rect)
		g.convertDeep(out.Pix, img.Pix)

		return out
	case *image.NRGBA64:
		out := image.NewNRGBA(img.Rect)
		g.convertDeep(out.Pix, img.Pix)

		return out
	}

	return img
}

func (g *grid) convertGrey(pix []byte) {
	var table [samples8]byte
	for i := range table {
		table[i], _, _ = g.colourAt(&[4]int{i})
	}

	for i, v := range pix {
		pix[i] = table[v]
	}
}

func (g *grid) convertPalette(palette color.Palette) {
	for i, c := range palette {
		n, _ := color.NRGBAModel.Convert(c).(color.NRGBA)
		n.R, n.G, n.B = g.colourAt(&[4]int{int(n.R), int(n.G), int(n.B)})
		palette[i] = n
	}
}

// convertRGB leaves alpha, the fourth of each four, as it is.
func (g *grid) convertRGB(pix []byte) {
	for i := 0; i+4 <= len(pix); i += 4 {
		p := pix[i : i+4]
		p[0], p[1], p[2] = g.colourAt(&[4]int{int(p[0]), int(p[1]), int(p[2])})
	}
}

// convertDeep makes four samples of 8 bits of each four of 16.
func (g *grid) convertDeep(dst, src []byte) {
	for i := 0; i+4 <= len(dst); i += 4 {
		s := src[2*i:]
		dst[i], dst[i+1], dst[i+2] = g.colourAt(&[4]int{takeBits12(s), takeBits12(s[2:]), takeBits12(s[4:])})
		dst[i+3] = s[6]
	}
}

// takeBits12 returns the first 12 bits of a sample of 16.
func takeBits12(b []byte) int { return int(b[0])<<4 | int(b[1])>>4 }

// convertYCbCr keeps how finely the colours are sampled: pixels that share one share the mean of
// what becomes of them.
func (g *grid) convertYCbCr(img *image.YCbCr) {
	across, down := readSampling(img.SubsampleRatio)
	size := img.Rect.Size()

	for top := 0; top < size.Y; top += down {
		for left := 0; left < size.X; left += across {
			colour := top/down*img.CStride + left/across
			cb, cr := img.Cb[colour], img.Cr[colour]

			var sumCb, sumCr, n int

			for y := top; y < min(top+down, size.Y); y++ {
				for x := left; x < min(left+across, size.X); x++ {
					luma := &img.Y[y*img.YStride+x]
					r, gr, b := color.YCbCrToRGB(*luma, cb, cr)
					r, gr, b = g.colourAt(&[4]int{int(r), int(gr), int(b)})

					newLuma, newCb, newCr := color.RGBToYCbCr(r, gr, b)
					*luma = newLuma
					sumCb, sumCr, n = sumCb+int(newCb), sumCr+int(newCr), n+1
				}
			}

			img.Cb[colour], img.Cr[colour] = byte((sumCb+n/2)/n), byte((sumCr+n/2)/n)
		}
	}
}

// mixInks returns the colours of inks that no profile describes.
func mixInks(img *image.CMYK) image.Image {
	for i := 0; i+4 <= len(img.Pix); i += 4 {
		p := img.Pix[i : i+4]
		p[0], p[1], p[2] = color.CMYKToRGB(p[0], p[1], p[2], p[3])
		p[3] = 0xff
	}

	return &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}
}

// widenRange stretches the samples of video, of which 16 to 235 are used for light and 16 to 240 for
// colour, to all of their range (RFC 6386, §9.2; ITU-R BT.601): our encoders and the standard
// library take them for that of JPEG.
func widenRange(img image.Image) {
	var frame *image.YCbCr

	switch img := img.(type) {
	case *image.YCbCr:
		frame = img
	case *image.NYCbCrA:
		frame = &img.YCbCr
	default:
		return
	}

	var light, colour [samples8]byte
	for i := range light {
		light[i] = clampByte((255*(i-16) + 109) / 219)
		colour[i] = clampByte((255*(i-128) + 128*224 + 112) / 224)
	}

	for i, v := range frame.Y {
		frame.Y[i] = light[v]
	}

	for i, v := range frame.Cb {
		frame.Cb[i] = colour[v]
	}

	for i, v := range frame.Cr {
		frame.Cr[i] = colour[v]
	}
}

func clampByte(v int) byte { return byte(min(max(v, 0), 255)) }
