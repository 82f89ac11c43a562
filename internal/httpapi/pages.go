package httpapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

//go:embed pages
var pageFiles embed.FS

// pages are what people read in a browser: without script, and with nothing from elsewhere.
type pages struct {
	templates *template.Template
	policy    string // Content-Security-Policy, which knows the style by its hash
}

// mustPages reads the pages that are built in.
func mustPages() *pages {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		panic(err)
	}

	sum := sha256.Sum256(style)
	templates := template.New("").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) }, //nolint:gosec // it is ours
		"money": formatMoney,
		"time":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	})

	return &pages{
		templates: template.Must(templates.ParseFS(pageFiles, "pages/*.html")),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

// servePage answers with a page.
func (s *server) servePage(w http.ResponseWriter, r *http.Request, name string, data any) {
	var body bytes.Buffer
	if err := s.pages.templates.ExecuteTemplate(&body, name, data); err != nil {
		s.fail(w, r, fmt.Errorf("write page %s: %w", name, err))

		return
	}

	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", s.pages.policy)

	_, _ = body.WriteTo(w) // the reader may have left
}

// formatMoney writes an amount of minor units, of which both currencies have a hundred.
func formatMoney(amount int64, c Currency) string {
	return fmt.Sprintf("%s %d.%02d", c, amount/100, amount%100)
}
