package credits

import (
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/cli"
	"imagerun/internal/credits"
)

type grantJSON struct {
	ID        uuid.UUID      `json:"id"`
	Source    credits.Source `json:"source"`
	Amount    int64          `json:"amount"`
	Remaining int64          `json:"remaining"`
	Held      int64          `json:"held"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt *time.Time     `json:"expires_at"`
}

func (f *tool) printBalance(w io.Writer, userID uuid.UUID, b credits.Balance, grants []credits.Holding) error {
	if f.json {
		list := make([]grantJSON, 0, len(grants))
		for _, g := range grants {
			list = append(list, grantJSON(g))
		}

		return cli.PrintJSON(w, struct {
			UserID uuid.UUID `json:"user_id"`
			cli.Balance

			Grants []grantJSON `json:"grants"`
		}{userID, cli.Balance(b), list})
	}

	t := cli.NewTable(w)
	cli.PrintLine(t, "user\t%s", userID)
	cli.PrintLine(t, "available\t%d\nheld\t%d\ndebt\t%d", b.Available, b.Held, b.Debt)

	if err := t.Flush(); err != nil || len(grants) == 0 {
		return err
	}

	t = cli.NewNumberTable(w)
	cli.PrintLine(t, "\nGRANT\tOF\tLEFT\tHELD\t  EXPIRES")

	for _, g := range grants {
		until := "never"
		if g.ExpiresAt != nil {
			until = cli.FormatTime(g.ExpiresAt)
		}

		cli.PrintLine(t, "%s\t%d\t%d\t%d\t  %s", g.Source, g.Amount, g.Remaining, g.Held, until)
	}

	return t.Flush()
}

// printEntries prints what comes newest first, oldest first.
func (f *tool) printEntries(w io.Writer, userID uuid.UUID, list []credits.Entry) error {
	list = slices.Clone(list)
	slices.Reverse(list)

	if f.json {
		return cli.PrintJSON(w, struct {
			UserID  uuid.UUID   `json:"user_id"`
			Entries []cli.Entry `json:"entries"`
		}{userID, cli.Entries(list)})
	}

	if err := cli.PrintEntries(w, list); err != nil {
		return err
	}

	cli.PrintLine(w, "%s", cli.FormatCount(len(list), "entry", "entries"))

	if len(list) > 0 && list[0].Sequence > 1 {
		cli.PrintLine(w, "earlier ones: --before %d", list[0].Sequence)
	}

	return nil
}
