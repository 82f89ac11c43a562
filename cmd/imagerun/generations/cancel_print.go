package generations

import (
	"fmt"
	"io"

	"imagerun/internal/cli"
	"imagerun/internal/generation"
	"imagerun/queue/durable"
)

// canceled is what came of it, for programs.
type canceled struct {
	Changed      bool              `json:"changed"` // false: it was before, or this is a dry run
	DryRun       bool              `json:"dry_run"`
	Request      string            `json:"request"`
	GenerationID string            `json:"generation_id"`
	Status       generation.Status `json:"status"`
	Canceling    bool              `json:"canceling"` // its provider may have begun, and decides what becomes of it
	Returned     int64             `json:"returned"`  // credits that returned now
	Held         int64             `json:"held"`      // credits that its end settles

	before *durable.Decision // what the same request did earlier
}

func (o canceled) printCanceled(w io.Writer) error {
	switch {
	case o.before != nil:
		cli.PrintLine(w, "request %s was carried out before, by %s on %s; nothing was changed:", o.Request, o.before.Operator, cli.FormatTime(&o.before.At))
	case !o.Changed:
		cli.PrintLine(w, "it was canceled before; nothing was changed:")
	case o.DryRun:
		cli.PrintLine(w, "a dry run: nothing was changed. This would be:")
	default:
		cli.PrintLine(w, "done, by request %s:", o.Request)
	}

	var err error

	switch {
	case o.Canceling:
		_, err = fmt.Fprintf(w, "%s is %s, and asked to stop. Its provider decides: what it stops returns %s, what it finishes is kept and paid for\n",
			o.GenerationID, o.Status, cli.FormatCount(o.Held, "credit", "credits"))
	case o.Changed:
		_, err = fmt.Fprintf(w, "%s ended as %s, and %s returned\n", o.GenerationID, o.Status, cli.FormatCount(o.Returned, "credit", "credits"))
	default:
		_, err = fmt.Fprintf(w, "%s is %s\n", o.GenerationID, o.Status)
	}

	return err
}
