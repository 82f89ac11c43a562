// Package archive writes pictures as one zip while they come out of the bucket: one buffer's worth
// is held, however many there are. A picture that cannot be read does not break the zip.
//
// The zip can be read while it comes, too, by what stands before each entry. Where the length and the sum of
// an entry follow it, as here, such a reader finds its end by the entry itself, which only a compressed one
// has (APPNOTE.TXT 4.4.4, bit 3; Java's ZipInputStream refuses others). So pictures, which do not get smaller,
// are blocks of DEFLATE that are stored as they are (RFC 1951 §3.2.4).
package archive

import (
	"archive/zip"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The ways that an entry does not become what it should.
var (
	// ErrMissing says that the picture could not be opened. The archive goes on without it.
	ErrMissing = errors.New("picture could not be opened")
	// ErrBroken says that the picture could not be read to its end. The archive goes on.
	ErrBroken = errors.New("picture could not be read whole")
	// ErrReader says that the reader of the archive takes no more. It is over.
	ErrReader = errors.New("archive was not taken")
)

// Archive is one zip that is being written. It is not safe for concurrent use.
type Archive struct {
	out    *sink
	zip    *zip.Writer
	buf    []byte
	blocks *flate.Writer // of one entry after the other: it is large
}

// New begins an archive that goes to w.
func New(w io.Writer) *Archive {
	out := &sink{w: w}

	a := &Archive{out: out, zip: zip.NewWriter(out), buf: make([]byte, 64<<10)}
	a.zip.RegisterCompressor(zip.Deflate, a.frameBlocks)

	return a
}

// frameBlocks frames an entry as blocks of DEFLATE, and makes it no smaller.
func (a *Archive) frameBlocks(w io.Writer) (_ io.WriteCloser, err error) {
	if a.blocks == nil {
		a.blocks, err = flate.NewWriter(w, flate.NoCompression)

		return a.blocks, err
	}

	a.blocks.Reset(w)

	return a.blocks, nil
}

// Entry is one file of an archive.
type Entry struct {
	Name       string // with "/" between folders; unique in its archive
	Size       int64  // bytes that it should have
	ModifiedAt time.Time
}

// Add writes what open returns, as it is: pictures do not get smaller. Errors: [ErrMissing], with which
// nothing is in the archive; [ErrBroken], with which whatever came is; [ErrReader].
func (a *Archive) Add(ctx context.Context, e Entry, open func(context.Context) (io.ReadCloser, error)) error {
	body, err := open(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err) // before an entry is begun: there is none
	}
	defer body.Close()

	file, err := a.zip.CreateHeader(&zip.FileHeader{Name: e.Name, Method: zip.Deflate, Modified: e.ModifiedAt})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReader, err)
	}

	// The wrapping keeps CopyBuffer from looking for another way to copy than by the buffer.
	n, err := io.CopyBuffer(struct{ io.Writer }{file}, struct{ io.Reader }{body}, a.buf)

	switch {
	case a.out.err != nil:
		return fmt.Errorf("%w: %w", ErrReader, a.out.err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrBroken, err)
	case n != e.Size:
		return fmt.Errorf("%w: %d bytes instead of %d", ErrBroken, n, e.Size)
	}

	return nil
}

// Close writes v as JSON into a last file of that name, and ends the archive. Only then is it one.
func (a *Archive) Close(name string, at time.Time, v any) error {
	file, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at})
	if err == nil {
		e := json.NewEncoder(file)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(v)
	}

	if err == nil {
		err = a.zip.Close()
	}

	if err != nil {
		return fmt.Errorf("%w: %w", ErrReader, err)
	}

	return nil
}

// sink remembers that writing has failed, to tell it from reading.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}

	return n, err
}
