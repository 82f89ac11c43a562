package generations

import (
	"fmt"
	"io"
	"time"

	"imagerun/internal/cli"
	"imagerun/internal/storage/sweep"
)

func (f *sweepFlags) printReport(w io.Writer, r sweep.Report) error {
	if f.json {
		return cli.PrintJSON(w, r)
	}

	done, off := "deleted", "called off"
	if r.DryRun {
		done, off = "would be deleted", "would be called off"
		r.Deleted, r.DeletedBytes, r.Aborted = r.Orphans, r.OrphanBytes, r.IncompleteMultiparts
	}

	t := cli.NewNumberTable(w)
	for _, row := range []struct {
		n    int64
		text string
	}{
		{r.Objects, "objects in the bucket"},
		{r.Records, "keys in the database"},
		{r.Orphans, fmt.Sprintf("orphans: %d %s (%d bytes)", r.Deleted, done, r.DeletedBytes)},
		{r.NotDeleted, "of those that the store did not delete"},
		{r.Young, fmt.Sprintf("young: without a row, but not older than %s", f.grace)},
		{r.Foreign, "foreign: under keys that we never make"},
		{r.Lost, "lost: a row whose object is gone"},
		{r.Back, "back: lost before, and there again"},
		{r.IncompleteMultiparts, fmt.Sprintf("leftovers: uploads in parts, %d %s", r.Aborted, off)},
	} {
		fmt.Fprintf(t, "%d\t  %s\n", row.n, row.text)
	}

	if err := t.Flush(); err != nil {
		return err
	}

	end := "in order"

	switch {
	case r.FinishedAt == nil:
		end = "broken off"
	case r.DryRun && !r.Clean():
		end = "a dry run: nothing was changed"
	case !r.Settled():
		end = "something is left to look at"
	}

	_, err := fmt.Fprintln(w, end)

	return err
}

func printFinding(w io.Writer, f sweep.Finding) {
	fmt.Fprintf(w, "%-8s  %s", f.What, f.Key)

	if f.Source != "" {
		fmt.Fprintf(w, "  %s %s", f.Source, f.ID)
	}

	if f.Age > 0 {
		fmt.Fprintf(w, "  %s old, %d bytes", f.Age.Round(time.Second), f.Size)
	}

	fmt.Fprintln(w)
}
