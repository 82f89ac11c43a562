package credits

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
	"imagerun/internal/fault"
)

// replayPage is how many entries are read at a time.
const replayPage = 10000

// replayEntries looks for holds that left a grant which was next to be spent (I15). It goes through the entries as they
// were booked and adds up what each grant has, so that whose turn it was is known at each hold without
// looking back. Entries are never changed: what is read in pages is what a single snapshot would show.
func (a *audit) replayEntries(ctx context.Context, first, last uuid.UUID) error {
	next := db.AuditReplayParams{Subject: first, Sequence: math.MinInt64, Last: last, Most: replayPage}

	for r := new(replayed); ; {
		var rows []db.AuditReplayRow

		err := a.inSnapshot(ctx, func(tx pgx.Tx) (err error) {
			rows, err = a.db.AuditReplay(ctx, tx, next)

			return err
		})
		if err != nil {
			return fault.Wrap(err, "I15")
		}

		entries := 0

		for i, row := range rows {
			if r.grants == nil || row.Subject != r.subject {
				r = &replayed{subject: row.Subject, grants: map[uuid.UUID]*db.CreditGrant{}}
			}

			r.addPosting(row)

			if end := i+1 == len(rows) || rows[i+1].Subject != row.Subject || rows[i+1].Sequence != row.Sequence; end {
				a.judgeEntry(r, row)

				entries++
			}

			next.Subject, next.Sequence = row.Subject, row.Sequence
		}

		if entries < replayPage {
			return nil
		}
	}
}

// replayed is what a subject's grants had available after an entry.
type replayed struct {
	subject uuid.UUID
	grants  map[uuid.UUID]*db.CreditGrant // those that have something; Remaining is the sum so far
	live    []*db.CreditGrant             // the same, in the order in which they are spent
	last    *db.CreditGrant               // of those that this entry took from; nil: none
}

// addPosting adds a posting on what is available.
func (r *replayed) addPosting(row db.AuditReplayRow) {
	if row.GrantID == nil || row.Priority == nil {
		return // of no grant; or of one that is not there, which others look for
	}

	g := r.grants[*row.GrantID]
	if g == nil {
		g = &db.CreditGrant{ID: *row.GrantID, Priority: *row.Priority, ExpiresAt: row.ExpiresAt, CreatedAt: *row.GrantedAt}
		r.grants[g.ID] = g
	}

	g.Remaining += row.Amount

	switch i, is := slices.BinarySearchFunc(r.live, g, spentBefore); {
	case g.Remaining > 0 && !is:
		r.live = slices.Insert(r.live, i, g)
	case g.Remaining <= 0 && is:
		r.live = slices.Delete(r.live, i, i+1)
	}

	if g.Remaining == 0 {
		delete(r.grants, g.ID)
	}

	if row.Amount < 0 && (r.last == nil || spentBefore(r.last, g) < 0) {
		r.last = g
	}
}

// judgeEntry ends an entry: a hold must not have left what comes before the last grant that it took from.
func (a *audit) judgeEntry(r *replayed, row db.AuditReplayRow) {
	last := r.last
	r.last = nil

	if last == nil || Kind(row.Kind) != KindHold {
		return
	}

	for _, g := range r.live {
		if spentBefore(g, last) >= 0 {
			return
		}

		if g.ExpiresAt == nil || row.CreatedAt.Before(*g.ExpiresAt) {
			a.reportViolation("I15", Violation{"I15", r.subject, fmt.Sprintf("hold of %s left grant %s, which was next", row.TaskID, g.ID)})

			return
		}
	}
}
