package picture

import (
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/draw"
)

const (
	// ThumbnailSide is the longest side of a thumbnail, in pixels.
	ThumbnailSide = 512
	// ThumbnailType is the media type of thumbnails; their names end in "jpg".
	ThumbnailType = "image/jpeg"

	thumbnailQuality = 82
)

// makeThumbnail returns img as a JPEG no longer than ThumbnailSide, in sRGB, on white where it is
// transparent. Smaller pictures keep their size.
func makeThumbnail(img image.Image, c colours) ([]byte, error) {
	switch img.(type) {
	case *image.CMYK: // it cannot be scaled and keep its inks
		img, c = convertToSRGB(img, c), colours{}
	case *image.Gray, *image.Gray16:
		c.grey = true
	}

	size := fitWithin(img.Bounds().Size(), ThumbnailSide)
	small := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(small, small.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)

	// The kernel weighs every source pixel, so a fine pattern gives no moiré. Catmull-Rom is a
	// little sharper at twice the time; ApproxBiLinear skips pixels beyond 2:1.
	draw.BiLinear.Scale(small, small.Bounds(), img, img.Bounds(), draw.Over, nil)

	var out bounded
	// Shrunk, a picture has more colours for its size than it had before: they are all kept.
	if err := encodeJPEG(&out, convertToSRGB(small, c), thumbnailQuality); err != nil {
		return nil, fmt.Errorf("encode thumbnail: %w", err)
	}

	return out.Bytes(), nil
}

// thumbnailMemory is what the kernel takes: four floats for each pixel as wide as the thumbnail
// and as high as the picture.
func thumbnailMemory(info Info) int64 {
	return 32 * int64(fitWithin(image.Pt(info.Width, info.Height), ThumbnailSide).X) * int64(info.Height)
}

// fitWithin returns size shrunk so that its longer side is at most limit and its shorter at least 1.
func fitWithin(size image.Point, limit int) image.Point {
	longer := max(size.X, size.Y)
	if longer <= limit {
		return size
	}

	return image.Pt(max(1, (size.X*limit+longer/2)/longer), max(1, (size.Y*limit+longer/2)/longer))
}
