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

	release, ok := s.open.take(p.UserID)
	if !ok {
		s.fail(w, r, errStreams)

		return
	}
	defer release()

	rc := http.NewResponseController(w)
	defer extendDeadlines(rc, writeTime)()

	ctx, cancel := exchangeOf(r.Context()).lasting(r.Context())
	defer cancel()

	now := time.Now().UTC()
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="imagerun-`+now.Format("2006-01-02-150405")+`.zip"`)
	w.WriteHeader(http.StatusOK)

	if r.Method == http.MethodHead {
		return
	}

	if err := s.pack(ctx, &pacedWriter{Writer: w, rc: rc}, album, now); err != nil {
		if ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "download was not taken to its end",
				slog.String("request_id", exchangeOf(ctx).requestID), slog.Any("error", err))
		}

		panic(http.ErrAbortHandler) // a torn zip must not look whole
	}
}

// pack writes an album as a zip. What cannot be read is noted in its manifest.
func (s *server) pack(ctx context.Context, w io.Writer, album generation.Album, now time.Time) error {
	var (
		zip   = archive.New(w)
		files = make(map[uuid.UUID][]DownloadedFile)
		names = fileNames(album)
	)

	for i, p := range album.Pictures {
		if err := exchangeOf(ctx).stillAllowed(ctx); err != nil {
			return err
		}

		err := zip.Add(ctx, archive.Entry{Name: names[i], Size: p.Bytes, ModifiedAt: now}, func(ctx context.Context) (io.ReadCloser, error) {
			return s.Generations.OpenPicture(ctx, p)
		})

		switch {
		case errors.Is(err, archive.ErrReader) || (err != nil && ctx.Err() != nil):
			return err
		case err != nil:
			s.Logger.WarnContext(ctx, "image could not be read for a download", slog.Any("image_id", p.ID), slog.Any("error", err))
		}

		files[p.GenerationID] = append(files[p.GenerationID], DownloadedFile{Name: names[i], Index: p.Index, Whole: err == nil})
	}

	return zip.Close("manifest.json", now, renderManifest(album, files, now))
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
			id = formatID("", p.GenerationID)
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
		out.LeftOut[i] = formatID(prefixGeneration, id)
	}

	return out
}
