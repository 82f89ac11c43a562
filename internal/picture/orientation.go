package picture

import "image"

// orientation is that of EXIF: where the first row and the first column of the stored picture are
// in the one that is seen (CIPA DC-008, §4.6.5.1.6).
type orientation int

const (
	normal         orientation = 1
	flipHorizontal orientation = 2 // row top, column right
	rotate180      orientation = 3 // bottom, right
	flipVertical   orientation = 4 // bottom, left
	transpose      orientation = 5 // left, top
	rotate90       orientation = 6 // right, top: to be turned clockwise
	transverse     orientation = 7 // right, bottom
	rotate270      orientation = 8 // left, bottom: to be turned counter-clockwise
)

// swapsSides reports whether width and height change places.
func (t orientation) swapsSides() bool { return t >= transpose }

// sourcePixel returns where the pixel seen at x, y of a picture of w by h, as stored, is.
func (t orientation) sourcePixel(x, y, w, h int) (sx, sy int) {
	switch t {
	case flipHorizontal:
		return w - 1 - x, y
	case rotate180:
		return w - 1 - x, h - 1 - y
	case flipVertical:
		return x, h - 1 - y
	case transpose:
		return y, x
	case rotate90:
		return y, h - 1 - x
	case transverse:
		return w - 1 - y, h - 1 - x
	case rotate270:
		return w - 1 - y, x
	default:
		return x, y
	}
}

// plane is a picture of samples of size bytes each.
type plane struct {
	pix           []byte
	stride        int
	width, height int
	size          int
}

// orientPlane returns the plane as it is seen.
func (p plane) orientPlane(t orientation) plane {
	out := plane{width: p.width, height: p.height, size: p.size}
	if t.swapsSides() {
		out.width, out.height = p.height, p.width
	}

	out.stride = out.width * out.size
	out.pix = make([]byte, out.stride*out.height)

	for y := range out.height {
		for x := range out.width {
			sx, sy := t.sourcePixel(x, y, p.width, p.height)
			copy(out.pix[y*out.stride+x*out.size:][:out.size], p.pix[sy*p.stride+sx*p.size:])
		}
	}

	return out
}

// orientImage returns the picture as it is seen, of the same kind.
func orientImage(img image.Image, t orientation) image.Image {
	if t == normal {
		return img
	}

	// Decoders give images that begin at the origin of their memory.
	single := func(pix []byte, stride, size int) (plane, image.Rectangle) {
		p := plane{pix, stride, img.Bounds().Dx(), img.Bounds().Dy(), size}.orientPlane(t)

		return p, image.Rect(0, 0, p.width, p.height)
	}

	switch img := img.(type) {
	case *image.Gray:
		p, r := single(img.Pix, img.Stride, 1)

		return &image.Gray{Pix: p.pix, Stride: p.stride, Rect: r}
	case *image.Paletted:
		p, r := single(img.Pix, img.Stride, 1)

		return &image.Paletted{Pix: p.pix, Stride: p.stride, Rect: r, Palette: img.Palette}
	case *image.RGBA:
		p, r := single(img.Pix, img.Stride, 4)

		return &image.RGBA{Pix: p.pix, Stride: p.stride, Rect: r}
	case *image.NRGBA:
		p, r := single(img.Pix, img.Stride, 4)

		return &image.NRGBA{Pix: p.pix, Stride: p.stride, Rect: r}
	case *image.CMYK:
		p, r := single(img.Pix, img.Stride, 4)

		return &image.CMYK{Pix: p.pix, Stride: p.stride, Rect: r}
	case *image.YCbCr:
		return orientYCbCr(img, t)
	default:
		return img // toEightBit leaves no other kind
	}
}

// orientYCbCr turns each plane. Where two pixels share a colour and their number is odd, the
// colours may move by half a pixel, as much as subsampling itself moves them.
func orientYCbCr(img *image.YCbCr, t orientation) image.Image {
	ratio, ok := img.SubsampleRatio, true
	if t.swapsSides() {
		ratio, ok = swapSampling(ratio)
	}

	if !ok { // four pixels in a row share a colour: there is no kind for four in a column
		img = upsampleColours(img)
		ratio = img.SubsampleRatio
	}

	size := img.Rect.Size()
	small := chromaSize(size, img.SubsampleRatio)
	luma := plane{img.Y, img.YStride, size.X, size.Y, 1}.orientPlane(t)
	cb := plane{img.Cb, img.CStride, small.X, small.Y, 1}.orientPlane(t)
	cr := plane{img.Cr, img.CStride, small.X, small.Y, 1}.orientPlane(t)

	return &image.YCbCr{
		Y: luma.pix, Cb: cb.pix, Cr: cr.pix, YStride: luma.stride, CStride: cb.stride,
		SubsampleRatio: ratio, Rect: image.Rect(0, 0, luma.width, luma.height),
	}
}

func swapSampling(r image.YCbCrSubsampleRatio) (image.YCbCrSubsampleRatio, bool) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return image.YCbCrSubsampleRatio440, true
	case image.YCbCrSubsampleRatio440:
		return image.YCbCrSubsampleRatio422, true
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		return r, false
	default:
		return r, true
	}
}

// readSampling is how many pixels share a colour, across and down.
func readSampling(r image.YCbCrSubsampleRatio) (across, down int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	default:
		return 1, 1
	}
}

// chromaSize is the size of the colour planes that belong to a picture's size.
func chromaSize(size image.Point, r image.YCbCrSubsampleRatio) image.Point {
	across, down := readSampling(r)

	return image.Pt((size.X+across-1)/across, (size.Y+down-1)/down)
}

// upsampleColours gives each pixel a colour of its own.
func upsampleColours(img *image.YCbCr) *image.YCbCr {
	out := image.NewYCbCr(image.Rectangle{Max: img.Rect.Size()}, image.YCbCrSubsampleRatio444)

	for y := range out.Rect.Max.Y {
		copy(out.Y[y*out.YStride:][:out.YStride], img.Y[y*img.YStride:])

		for x := range out.Rect.Max.X {
			from, to := img.COffset(x+img.Rect.Min.X, y+img.Rect.Min.Y), y*out.CStride+x
			out.Cb[to], out.Cr[to] = img.Cb[from], img.Cr[from]
		}
	}

	return out
}
