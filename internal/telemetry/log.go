// Package telemetry is how a process tells about itself: its log, its metrics registry and its
// health. What is told comes from outside: each package has its own metrics.go, and app names
// the checks.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"

	"imagerun/internal/redact"
)

// LogOptions say how a log looks.
type LogOptions struct {
	Level   string // debug, info, warn or error; empty: info
	Format  string // json or text; empty: json
	Process string // api, worker, …: on every line
	Version string // on every line
}

// NewLogger returns a logger that writes to w. Its level can be changed while it runs. Whatever
// is logged, values of package redact show as [redact.Mask], and so do email addresses and the
// parts of URLs that may be secret, in errors and texts alike.
func NewLogger(w io.Writer, o LogOptions) (*slog.Logger, *slog.LevelVar, error) {
	level := new(slog.LevelVar)

	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, nil, fmt.Errorf("log level: %w", err)
		}
	}

	options := &slog.HandlerOptions{Level: level, ReplaceAttr: scrubAttr}

	var handler slog.Handler

	switch o.Format {
	case "", "json":
		handler = slog.NewJSONHandler(w, options)
	case "text":
		handler = slog.NewTextHandler(w, options)
	default:
		return nil, nil, fmt.Errorf("log format %q: use json or text", o.Format)
	}

	return slog.New(handler).With(slog.String("process", o.Process), slog.String("version", o.Version)), level, nil
}

// scrubAttr is the last look at a value before it is written. It is a net below the rule that no
// such value is logged at all, because errors of libraries quote what they were given.
func scrubAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Scrub(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(Scrub(v.Error()))
		case fmt.Stringer:
			a.Value = slog.StringValue(Scrub(v.String()))
		case []string:
			clean := make([]string, len(v))
			for i, s := range v {
				clean[i] = Scrub(s)
			}

			a.Value = slog.AnyValue(clean)
		}
	default:
	}

	return a
}

// Scrub masks what not every reader of logs may read: of URLs all but scheme and
// host, and email addresses.
func Scrub(text string) string {
	if strings.Contains(text, "://") {
		text = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>`+"`"+`]+`).ReplaceAllStringFunc(text, scrubURL)
	}

	if strings.Contains(text, "@") {
		text = regexp.MustCompile(`[^\s"'<>=:;,/()@]+@[^\s"'<>=:;,/()@]+\.[A-Za-z]{2,}`).ReplaceAllString(text, redact.Mask)
	}

	return text
}

func scrubURL(s string) string {
	u, err := url.Parse(strings.TrimRight(s, ".,:;)"))
	if err != nil {
		return redact.Mask
	}

	if u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == "" {
		return s
	}

	return u.Scheme + "://" + u.Host + "/" + redact.Mask
}

// version is written by the linker alone: -ldflags "-X imagerun/internal/telemetry.version=…".
var version string //nolint:gochecknoglobals // the linker writes nothing else

// Version returns the version that the build named (make build and the Dockerfile do). A program
// built without one says the revision it was built from, "+" after it if the tree had changes, or
// "dev" where even that is not known.
func Version() string {
	if version != "" {
		return version
	}

	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}

	revision, changed := "dev", ""

	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && s.Value != "":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}

	return revision + changed
}
