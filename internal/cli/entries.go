package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/credits"
)

// Balance is what a user has, for programs.
type Balance struct {
	Available int64 `json:"available"`
	Held      int64 `json:"held"`
	Debt      int64 `json:"debt"`
}

// Entry is one of the ledger, for programs.
type Entry struct {
	Sequence     int64          `json:"sequence"`
	At           time.Time      `json:"at"`
	Kind         credits.Kind   `json:"kind"`
	Source       credits.Source `json:"source,omitempty"`
	Credits      int64          `json:"credits"`
	Sentence     string         `json:"sentence"`
	GenerationID string         `json:"generation_id,omitempty"`
	Actor        string         `json:"actor"`
	Reason       credits.Reason `json:"reason,omitempty"`
	After        Balance        `json:"after"`
}

// Entries returns those of the ledger, for programs.
func Entries(list []credits.Entry) []Entry {
	out := make([]Entry, 0, len(list))

	for _, e := range list {
		j := Entry{
			Sequence: e.Sequence, At: e.At, Kind: e.Kind, Source: e.Source, Credits: e.Credits(), Sentence: e.Sentence(),
			Actor: e.Actor, Reason: e.Reason, After: Balance(e.After),
		}
		if e.TaskID != uuid.Nil {
			j.GenerationID = GenerationID(e.TaskID)
		}

		out = append(out, j)
	}

	return out
}

// PrintEntries prints a table of the ledger's, in the words that the person reads.
func PrintEntries(w io.Writer, list []credits.Entry) error {
	t := NewNumberTable(w)
	PrintLine(t, "#\tWHEN (UTC)\tCREDITS\tAVAILABLE\tHELD\tDEBT\t  WHAT")

	for _, e := range list {
		PrintLine(t, "%d\t%s\t%+d\t%d\t%d\t%d\t  %s", e.Sequence, e.At.UTC().Format(time.DateTime), e.Credits(),
			e.After.Available, e.After.Held, e.After.Debt, DescribeEntry(e))
	}

	return t.Flush()
}

// DescribeEntry is an entry's sentence, and what only operators see.
func DescribeEntry(e credits.Entry) string {
	text := e.Sentence()
	if e.TaskID != uuid.Nil {
		text += " " + GenerationID(e.TaskID)
	}

	switch {
	case e.Reason != "" && e.Actor != "system":
		text += fmt.Sprintf(" (%s, by %s)", e.Reason, e.Actor)
	case e.Reason != "":
		text += fmt.Sprintf(" (%s)", e.Reason)
	}

	return text
}
