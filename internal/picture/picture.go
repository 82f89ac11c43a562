package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"runtime"

	"golang.org/x/image/webp"
	"golang.org/x/sync/semaphore"

	"imagerun/internal/fault"
)

// ErrNotPicture answers for every refusal; its cause says which of the reasons below it is.
// Nothing quotes the bytes.
var ErrNotPicture = fault.New(fault.Invalid, "not_a_picture", "This is not a complete PNG, JPEG or WebP image of an acceptable size.")

// The reasons to refuse bytes, in the chain of [ErrNotPicture].
var (
	ErrFormat  = errors.New("the first bytes are not those of a png, jpeg or webp")
	ErrTooBig  = errors.New("more bytes or pixels than allowed")
	ErrDamaged = errors.New("damaged or incomplete")
	// ErrUnsupported is about legal files for which we have no decoder: HEIC, or a JPEG of twelve bits.
	ErrUnsupported = errors.New("of a kind that is not read here")
	// ErrAnimated is about animated WebP, of which no decoder of ours makes a picture. An animated
	// PNG is the still picture that it begins with.
	ErrAnimated = errors.New("not a still picture")
)

// Format is one of the formats that are stored.
type Format string

// The formats.
const (
	PNG  Format = "png"
	JPEG Format = "jpeg"
	WebP Format = "webp"
)

// ContentType returns the media type of the format.
func (f Format) ContentType() string { return "image/" + string(f) }

// Extension returns the ending of a file's name, without a dot.
func (f Format) Extension() string {
	if f == JPEG {
		return "jpg"
	}

	return string(f)
}

// Limits bound what is decoded. Zero values take the default.
type Limits struct {
	MaxBytes  int   // of the file; zero: 32 MiB
	MaxPixels int   // width × height; zero: [MaxPixels]
	MaxSide   int   // of the longer side; zero: [MaxSide]
	MaxMemory int64 // that all pictures of an opener take at once, and so what one may; zero: 144 MiB
}

const (
	// MaxPixels is width × height of the largest picture, unless limits say otherwise: what a phone's
	// camera makes.
	MaxPixels = 25_000_000
	// MaxSide is its longer side.
	MaxSide = 8192
)

func (l Limits) orDefaults() Limits {
	if l.MaxBytes == 0 {
		l.MaxBytes = 32 << 20
	}

	if l.MaxPixels == 0 {
		l.MaxPixels = MaxPixels
	}

	if l.MaxSide == 0 {
		l.MaxSide = MaxSide
	}

	if l.MaxMemory == 0 {
		l.MaxMemory = 144 << 20
	}

	return l
}

// Info is what the bytes themselves say.
type Info struct {
	Format Format
	Width  int // pixels
	Height int
}

// Opener opens pictures: a bounded number at once, because each takes a core, and as many as
// their memory allows. It is safe for concurrent use.
type Opener struct {
	limits Limits
	slots  chan struct{}
	memory *semaphore.Weighted // bytes
}

// large is the memory of a picture from which on it is worth a collection, in bytes.
const large = 16 << 20

// NewOpener returns an Opener of at most atOnce pictures at a time; zero: 2.
func NewOpener(limits Limits, atOnce int) *Opener {
	if atOnce <= 0 {
		atOnce = 2
	}

	limits = limits.orDefaults()

	return &Opener{limits: limits, slots: make(chan struct{}, atOnce), memory: semaphore.NewWeighted(limits.MaxMemory)}
}

// Open proves that b is an image and makes its thumbnail, from one decoding: a JPEG of at most
// [ThumbnailSide] pixels on its longer side, on white where the image is transparent. It waits
// for its turn. The errors are [ErrNotPicture] and ctx's.
func (o *Opener) Open(ctx context.Context, b []byte) (Info, []byte, error) {
	// Most refusals need no decoding, and so no turn.
	info, err := Inspect(b, o.limits)
	if err != nil {
		return Info{}, nil, err
	}

	w, colours := computeMemoryCost(info, b), readColours(info.Format, b)

	free, err := o.acquireMemory(ctx, w.decode+thumbnailMemory(info)+colours.conversionMemory(), w.worst)
	if err != nil {
		return Info{}, nil, err
	}
	defer free()

	img, err := o.decodeInspected(info, b)
	if err != nil {
		return Info{}, nil, err
	}

	thumb, err := makeThumbnail(img, colours)
	if err != nil {
		return Info{}, nil, err
	}

	return info, thumb, nil
}

// acquireMemory waits for a turn with so many bytes of memory, or for all of it if it may be more in the
// worst case. The function it returns gives both back.
func (o *Opener) acquireMemory(ctx context.Context, memory, worst int64) (func(), error) {
	if memory > o.limits.MaxMemory || memory+worst > o.limits.MaxMemory*3/2 {
		return nil, ErrNotPicture.WithCause(ErrTooBig)
	}

	memory = min(memory+worst, o.limits.MaxMemory)

	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn to decode: %w", ctx.Err())
	}

	if err := o.memory.Acquire(ctx, memory); err != nil {
		<-o.slots

		return nil, fmt.Errorf("wait for memory to decode: %w", err)
	}

	return func() {
		// What a large picture took is collected before the next one is let in: the runtime notices
		// too late that one follows another.
		if memory >= large {
			runtime.GC()
		}

		o.memory.Release(memory)
		<-o.slots
	}, nil
}

// decodeInspected reads every pixel of what was inspected.
func (o *Opener) decodeInspected(info Info, b []byte) (image.Image, error) {
	img, err := decodePixels(info.Format, b)
	if err != nil {
		return nil, err
	}

	// The limits were applied to the header: the pixels must agree with it.
	if size := img.Bounds().Size(); size.X != info.Width || size.Y != info.Height {
		return nil, ErrNotPicture.WithCause(ErrDamaged)
	}

	return img, nil
}

// Inspect looks at the beginning of b alone: it refuses what is not an image or is too large,
// and decodes no pixel. What it accepts may still be damaged.
func Inspect(b []byte, limits Limits) (Info, error) {
	limits = limits.orDefaults()

	if len(b) > limits.MaxBytes {
		return Info{}, ErrNotPicture.WithCause(ErrTooBig)
	}

	format, ok := Sniff(b)
	if !ok {
		if kind := findForeign(b); kind != "" {
			return Info{}, ErrNotPicture.WithCause(fmt.Errorf("%w: %s", ErrUnsupported, kind))
		}

		return Info{}, ErrNotPicture.WithCause(ErrFormat)
	}

	if err := refuseHostile(format, b); err != nil {
		return Info{}, ErrNotPicture.WithCause(err)
	}

	cfg, err := decodeConfig(format, b)
	if err != nil {
		return Info{}, wrapDamaged(err)
	}

	// Each side is bounded first, so that the product cannot overflow.
	if cfg.Width > limits.MaxSide || cfg.Height > limits.MaxSide || cfg.Width*cfg.Height > limits.MaxPixels {
		return Info{}, ErrNotPicture.WithCause(ErrTooBig)
	}

	if cfg.Width <= 0 || cfg.Height <= 0 {
		return Info{}, ErrNotPicture.WithCause(ErrDamaged)
	}

	return Info{Format: format, Width: cfg.Width, Height: cfg.Height}, nil
}

// Sniff tells the format by the first bytes (https://mimesniff.spec.whatwg.org, §6.1). What
// follows them may be anything.
func Sniff(b []byte) (Format, bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return PNG, true
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return JPEG, true
	case len(b) >= 14 && string(b[:4]) == "RIFF" && string(b[8:14]) == "WEBPVP":
		return WebP, true
	default:
		return "", false
	}
}

func decodeConfig(f Format, b []byte) (cfg image.Config, err error) {
	defer recoverDecode(&err)

	switch f {
	case PNG:
		return png.DecodeConfig(repairFile(f, b))
	case JPEG:
		return jpeg.DecodeConfig(repairFile(f, b))
	default:
		return webp.DecodeConfig(repairFile(f, b))
	}
}

// recoverDecode makes an error of a panic. The bytes are hostile, and the decoders are many thousand
// lines: a panic of theirs is one bad picture, not the end of a worker.
func recoverDecode(err *error) {
	if r := recover(); r != nil {
		*err = ErrNotPicture.WithCause(fmt.Errorf("%w: the decoder gave up", ErrDamaged))
	}
}

// decodePixels reads every pixel: a picture that was cut off fails here.
func decodePixels(f Format, b []byte) (img image.Image, err error) {
	defer recoverDecode(&err)

	switch f {
	case PNG:
		img, err = png.Decode(repairFile(f, b))
	case JPEG:
		img, err = jpeg.Decode(repairFile(f, b))
	default:
		img, err = webp.Decode(repairFile(f, b))
		widenRange(img)
	}

	if err != nil {
		return nil, wrapDamaged(err)
	}

	return img, nil
}

// wrapDamaged keeps what a decoder says: the decoders name formats, chunks and lengths, no content.
func wrapDamaged(err error) error {
	if _, ok := errors.AsType[jpeg.UnsupportedError](err); ok {
		return ErrNotPicture.WithCause(fmt.Errorf("%w: %w", ErrUnsupported, err))
	}

	return ErrNotPicture.WithCause(fmt.Errorf("%w: %w", ErrDamaged, err))
}
