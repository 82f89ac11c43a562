package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/credits"
)

// creditsJSON is a balance, for programs.
type creditsJSON struct {
	Available int64 `json:"available"`
	Held      int64 `json:"held"`
	Debt      int64 `json:"debt"`
}

type grantJSON struct {
	ID        uuid.UUID      `json:"id"`
	Source    credits.Source `json:"source"`
	Amount    int64          `json:"amount"`
	Remaining int64          `json:"remaining"`
	Held      int64          `json:"held"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt *time.Time     `json:"expires_at"`
}

type entryJSON struct {
	Sequence     int64          `json:"sequence"`
	At           time.Time      `json:"at"`
	Kind         credits.Kind   `json:"kind"`
	Source       credits.Source `json:"source,omitempty"`
	Credits      int64          `json:"credits"`
	Sentence     string         `json:"sentence"`
	GenerationID string         `json:"generation_id,omitempty"`
	Actor        string         `json:"actor"`
	Reason       credits.Reason `json:"reason,omitempty"`
	After        creditsJSON    `json:"after"`
}

func (f *creditsTool) printBalance(w io.Writer, userID uuid.UUID, b credits.Balance, grants []credits.Holding) error {
	if f.json {
		list := make([]grantJSON, 0, len(grants))
		for _, g := range grants {
			list = append(list, grantJSON(g))
		}

		return printJSON(w, struct {
			UserID uuid.UUID `json:"user_id"`
			creditsJSON

			Grants []grantJSON `json:"grants"`
		}{userID, creditsJSON(b), list})
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line(t, "user\t%s", userID)
	line(t, "available\t%d\nheld\t%d\ndebt\t%d", b.Available, b.Held, b.Debt)

	if err := t.Flush(); err != nil || len(grants) == 0 {
		return err
	}

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line(t, "\nGRANT\tOF\tLEFT\tHELD\t  EXPIRES")

	for _, g := range grants {
		until := "never"
		if g.ExpiresAt != nil {
			until = stamp(g.ExpiresAt)
		}

		line(t, "%s\t%d\t%d\t%d\t  %s", g.Source, g.Amount, g.Remaining, g.Held, until)
	}

	return t.Flush()
}

// printEntries prints what comes newest first, oldest first.
func (f *creditsTool) printEntries(w io.Writer, userID uuid.UUID, list []credits.Entry) error {
	list = slices.Clone(list)
	slices.Reverse(list)

	if f.json {
		return printJSON(w, struct {
			UserID  uuid.UUID   `json:"user_id"`
			Entries []entryJSON `json:"entries"`
		}{userID, entriesJSON(list)})
	}

	if err := entryTable(w, list); err != nil {
		return err
	}

	line(w, "%s", countNoun(len(list), "entry", "entries"))

	if len(list) > 0 && list[0].Sequence > 1 {
		line(w, "earlier ones: --before %d", list[0].Sequence)
	}

	return nil
}

func entriesJSON(list []credits.Entry) []entryJSON {
	out := make([]entryJSON, 0, len(list))

	for _, e := range list {
		j := entryJSON{
			Sequence: e.Sequence, At: e.At, Kind: e.Kind, Source: e.Source, Credits: e.Credits(), Sentence: e.Sentence(),
			Actor: e.Actor, Reason: e.Reason, After: creditsJSON(e.After),
		}
		if e.TaskID != uuid.Nil {
			j.GenerationID = generationID(e.TaskID)
		}

		out = append(out, j)
	}

	return out
}

func entryTable(w io.Writer, list []credits.Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line(t, "#\tWHEN (UTC)\tCREDITS\tAVAILABLE\tHELD\tDEBT\t  WHAT")

	for _, e := range list {
		line(t, "%d\t%s\t%+d\t%d\t%d\t%d\t  %s", e.Sequence, e.At.UTC().Format(time.DateTime), e.Credits(),
			e.After.Available, e.After.Held, e.After.Debt, what(e))
	}

	return t.Flush()
}

// what is an entry's sentence, and what only operators see.
func what(e credits.Entry) string {
	text := e.Sentence()
	if e.TaskID != uuid.Nil {
		text += " " + generationID(e.TaskID)
	}

	switch {
	case e.Reason != "" && e.Actor != "system":
		text += fmt.Sprintf(" (%s, by %s)", e.Reason, e.Actor)
	case e.Reason != "":
		text += fmt.Sprintf(" (%s)", e.Reason)
	}

	return text
}
