package falsim

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // reference images
	_ "image/jpeg"
	_ "image/png"
	"io"
	"net/http"
	"strings"
	"time"

	_ "golang.org/x/image/webp" // reference images
)

const (
	maxReference     = 50 << 20 // bytes that a reference image may have
	minReferenceSide = 8        // pixels
	referenceTimeout = 20 * time.Second
)

func referenceFormats() []string { return []string{"jpeg", "png", "webp", "gif"} }

// tint is what a picture takes over from its reference: the colours of its upper, middle and
// lower third, and how much the prompt paints over them.
type tint struct {
	colours  [3]color.RGBA
	strength float64
}

var errTooBig = errors.New("the file is too big")

// applyReference downloads the reference of a running request, as a runner does, and then lets the
// request go on: to its end when its time is over, or to its error at once.
func (s *Sim) applyReference(r *request) {
	data, err := s.references.fetchReference(r.input.reference)
	size, colours, p := examineReference(data, err)

	s.mu.Lock()
	defer s.mu.Unlock()

	if r.phase != running {
		return
	}

	end := s.Clock.Now()

	if p == nil {
		r.input.width, r.input.height = r.model.pictureSize(r.input.size, size)
		r.input.tint = &tint{colours, r.input.strength}
		p = tooLarge(r.input)
	}

	if p != nil {
		r.problems = append(r.problems, *p)
	} else {
		end = laterOf(end, r.started.Add(r.duration))
	}

	s.Clock.At(end, func() { s.endAttempt(r, end) })
	s.advanceClock()
}

// fetcher downloads references until the simulator ends.
type fetcher struct {
	ctx    context.Context
	client *http.Client
}

// fetchReference gets a reference from where its address says, up to a size.
func (f fetcher) fetchReference(ref string) ([]byte, error) {
	if text, ok := strings.CutPrefix(ref, "data:"); ok {
		_, data, ok := strings.Cut(text, ";base64,")
		if !ok {
			return nil, errors.New("a data URI that is not base64")
		}

		raw, err := base64.StdEncoding.DecodeString(data)
		if err == nil && len(raw) > maxReference {
			err = errTooBig
		}

		return raw, err
	}

	req, err := http.NewRequestWithContext(f.ctx, http.MethodGet, ref, nil)
	if err != nil {
		return nil, err
	}

	res, err := f.client.Do(req) //nolint:gosec // the caller's own address, as fal
	if err != nil {
		return nil, err
	}

	defer func() { _ = res.Body.Close() }()

	data, err := io.ReadAll(io.LimitReader(res.Body, maxReference+1))

	switch {
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", res.StatusCode)
	case err == nil && len(data) > maxReference:
		return nil, errTooBig
	default:
		return data, err
	}
}

// examineReference reads a reference and refuses it in fal's words. https://docs.fal.ai/errors
func examineReference(data []byte, err error) (size image.Point, colours [3]color.RGBA, p *problem) {
	refuse := func(kind, text string, ctx map[string]any) (image.Point, [3]color.RGBA, *problem) {
		p := falProblem(kind, text, "image_url", nil, ctx)

		return image.Point{}, [3]color.RGBA{}, &p
	}

	if errors.Is(err, errTooBig) {
		return refuse("file_too_large", "File too large", map[string]any{"max_size": maxReference})
	} else if err != nil {
		return refuse("file_download_error", downloadText, nil)
	}

	c, _, err := image.DecodeConfig(bytes.NewReader(data))

	switch kind := http.DetectContentType(data); {
	case err != nil && strings.HasPrefix(kind, "image/"):
		return refuse("unsupported_image_format", "Unsupported image format", map[string]any{"supported_formats": referenceFormats()})
	case err != nil:
		return refuse("image_load_error", loadText, nil)
	case min(c.Width, c.Height) < minReferenceSide:
		return refuse("image_too_small", "Image too small", map[string]any{"min_height": minReferenceSide, "min_width": minReferenceSide})
	case c.Width > maxPixels/c.Height:
		return refuse("image_too_large", "Image too large", map[string]any{"max_height": 4096, "max_width": 4096})
	}

	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return refuse("image_load_error", loadText, nil)
	}

	return img.Bounds().Size(), averageThirds(img), nil
}

// averageThirds looks at a few hundred pixels of each third.
func averageThirds(img image.Image) (out [3]color.RGBA) {
	const steps = 16

	b := img.Bounds()

	for third := range out {
		var sum [3]uint32

		for i := range steps * steps {
			x := b.Min.X + (i%steps)*b.Dx()/steps
			y := b.Min.Y + (third*steps+i/steps)*b.Dy()/(3*steps)
			red, green, blue, _ := img.At(x, y).RGBA()
			sum[0] += red >> 8
			sum[1] += green >> 8
			sum[2] += blue >> 8
		}

		const n = steps * steps

		out[third] = color.RGBA{R: uint8(sum[0] / n), G: uint8(sum[1] / n), B: uint8(sum[2] / n), A: 255} //nolint:gosec // averages of bytes
	}

	return out
}
