package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// PrintJSON prints the answer for programs.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")

	return e.Encode(v)
}

// PrintLine prints one, as far as that works: the command that prints more finds out.
func PrintLine(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// NewTable aligns cells that tabs end, to the left.
func NewTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// NewNumberTable aligns cells that tabs end, to the right.
func NewNumberTable(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
}

// FormatCount says how many of what there are.
func FormatCount[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}

	return fmt.Sprintf("%d %s", n, many)
}

// FormatTime writes a moment to the second; "-": it has not come.
func FormatTime(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}

	return t.UTC().Format(time.DateTime) + " UTC"
}

// OrDash shows that there is nothing.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}

	return s
}
