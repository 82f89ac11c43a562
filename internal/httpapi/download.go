package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/generation"
	"imagerun/internal/generation/archive"
	"imagerun/internal/publicid"
	"imagerun/internal/storage"
)

// downloadGenerations is GET /v1/generations/download.
func (s *server) downloadGenerations(w http.ResponseWriter, r *http.Request) {
	p, err := auth.From(r.Context())
	if err != nil {
		s.fail(w, r, err)

		return
	}

	album, err := s.Generations.Album(r.Context(), p.UserID, parseIDs(r.URL.Query()["id"]))
	if err != nil {
		s.fail(w, r, err)

		return
	}

	release, ok := s.openSlots.acquireSlot(p.UserID)
	if !ok {
		s.fail(w, r, errStreams)

		return
	}
	defer release()

	ctx, cancel := exchangeOf(r.Context()).withoutDeadline(r.Context())
	defer cancel()

	d, err := s.beginDownload(ctx, r.Context(), album)
	if err != nil {
		s.fail(w, r, err)

		return
	}
	defer d.first.Close()

	rc := http.NewResponseController(w)
	defer extendDeadlines(rc, writeTime)()

	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="imagerun-`+d.at.Format("2006-01-02-150405")+`.zip"`)
	w.WriteHeader(http.StatusOK)

	if r.Method == http.MethodHead {
		return
	}

	if err := s.writeZip(ctx, &pacedWriter{Writer: w, rc: rc}, d); err != nil {
		if ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "download broke off",
				slog.String("request_id", exchangeOf(ctx).requestID), slog.Any("error", err))
		}

		panic(http.ErrAbortHandler) // a torn zip must not look whole
	}
}

// download is an album on its way.
type download struct {
	generation.Album

	at       time.Time
	first    io.ReadCloser // the first picture that the store has given
	unopened int           // how many before it the store did not give
}

// errUnopened is of a picture that was asked for before the download began.
var errUnopened = errors.New("store did not give it")

// beginDownload opens the first picture that the store gives while asked lasts, so that a download of nothing fails before it
// has said anything. The picture can be read while ctx lasts.
func (s *server) beginDownload(ctx, asked context.Context, album generation.Album) (*download, error) {
	var err error

	for i, p := range album.Pictures {
		var body io.ReadCloser

		if body, err = s.openPicture(ctx, asked, p); err == nil {
			return &download{Album: album, at: time.Now().UTC(), first: body, unopened: i}, nil
		}

		s.logUnread(ctx, p, err)

		if asked.Err() != nil {
			break
		}
	}

	return nil, storage.ErrUnavailable.WithCause(err)
}

// openPicture opens a picture while asked lasts, to be read while ctx does.
func (s *server) openPicture(ctx, asked context.Context, p generation.Picture) (io.ReadCloser, error) {
	ctx, end := context.WithCancel(ctx)
	stop := context.AfterFunc(asked, end)

	body, err := s.Generations.OpenPicture(ctx, p)
	if inTime := stop(); err == nil && !inTime {
		err = errors.Join(asked.Err(), body.Close())
	}

	if err != nil {
		end()

		return nil, err
	}

	return &openedPicture{body, end}, nil
}

// openedPicture ends the context of its reading with it.
type openedPicture struct {
	io.ReadCloser

	end context.CancelFunc
}

func (p *openedPicture) Close() error {
	defer p.end()

	return p.ReadCloser.Close()
}

func (s *server) logUnread(ctx context.Context, p generation.Picture, err error) {
	s.Logger.WarnContext(ctx, "image could not be read for a download", slog.Any("image_id", p.ID), slog.Any("error", err))
}

// openNth opens picture i of a download.
func (s *server) openNth(ctx context.Context, d *download, i int) (io.ReadCloser, error) {
	switch {
	case i < d.unopened:
		return nil, errUnopened
	case i == d.unopened:
		return d.first, nil
	}

	asked, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()

	return s.openPicture(ctx, asked, d.Pictures[i])
}

// writeZip writes a download as a zip. What cannot be read is noted in its manifest.
func (s *server) writeZip(ctx context.Context, w io.Writer, d *download) error {
	var (
		zip   = archive.New(w)
		files = make(map[uuid.UUID][]DownloadedFile)
		names = fileNames(d.Album)
	)

	for i, p := range d.Pictures {
		if err := exchangeOf(ctx).stillAllowed(ctx); err != nil {
			return err
		}

		err := zip.Add(ctx, archive.Entry{Name: names[i], Size: p.Bytes, ModifiedAt: d.at}, func(ctx context.Context) (io.ReadCloser, error) {
			return s.openNth(ctx, d, i)
		})

		switch {
		case errors.Is(err, archive.ErrReader) || (err != nil && ctx.Err() != nil):
			return err
		case err != nil && i >= d.unopened:
			s.logUnread(ctx, p, err)
		}

		files[p.GenerationID] = append(files[p.GenerationID], DownloadedFile{
			Name: names[i], Index: p.Index, Whole: err == nil, Missing: errors.Is(err, archive.ErrMissing),
		})
	}

	return zip.Close("manifest.json", d.at, renderManifest(d.Album, files, d.at))
}

// fileNames names the pictures of an album by day, generation and index. The first digits of ids
// are enough, unless two in the album share them.
func fileNames(album generation.Album) []string {
	created := make(map[uuid.UUID]time.Time, len(album.Generations))
	sharing := make(map[string]int)
	short := func(id uuid.UUID) string { return id.String()[:8] }

	for _, g := range album.Generations {
		created[g.ID] = clampTime(g.CreatedAt)
		sharing[short(g.ID)]++
	}

	names := make([]string, len(album.Pictures))

	for i, p := range album.Pictures {
		id := short(p.GenerationID)
		if sharing[id] > 1 {
			id = publicid.Format("", p.GenerationID)
		}

		names[i] = fmt.Sprintf("%s_%s_%d.%s", created[p.GenerationID].Format(time.DateOnly), id, p.Index+1, p.Extension())
	}

	return names
}

func renderManifest(album generation.Album, files map[uuid.UUID][]DownloadedFile, now time.Time) DownloadManifest {
	out := DownloadManifest{
		Object: Download, CreatedAt: now,
		Generations: make([]DownloadedGeneration, len(album.Generations)), LeftOut: make([]GenerationID, len(album.LeftOut)),
	}

	for i, g := range album.Generations {
		r := renderGeneration(g)
		out.Generations[i] = DownloadedGeneration{
			ID: r.ID, Model: r.Model, Prompt: r.Prompt, Parameters: r.Parameters, Metadata: r.Metadata,
			CreatedAt: r.CreatedAt, SupportCode: r.SupportCode, Files: append([]DownloadedFile{}, files[g.ID]...),
		}
	}

	for i, id := range album.LeftOut {
		out.LeftOut[i] = publicid.Format(publicid.PrefixGeneration, id)
	}

	return out
}
