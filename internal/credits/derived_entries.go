package credits

import (
	"context"
	"slices"
	"time"

	"imagerun/internal/credits/db"
)

// derivedEntry is an entry that follows from another.
func derivedEntry(e entry, kind Kind) entry {
	return entry{kind: kind, source: e.source, key: e.key + "+" + string(kind), taskID: e.taskID}
}

// reclaimGrants voids what is left of grants whose payment was taken back, and charges what was used.
func (lt *ledgerTx) reclaimGrants(cause entry) {
	var void, charge []posting

	for _, g := range lt.grants {
		v, c := computeOwed(g)
		void = append(void, posting{available, g, -v}, posting{takenBack, g, v})

		if c > 0 {
			g.Charged += c
			lt.markTouched(g)
			charge = append(charge, posting{debt, nil, -c}, posting{takenBack, nil, c})
		}
	}

	if void = dropZeros(void); len(void) > 0 {
		lt.post(derivedEntry(cause, KindVoid), void...)
	}

	if charge = mergePostings(charge); len(charge) > 0 {
		lt.post(derivedEntry(cause, KindCharge), charge...)
	}
}

// computeOwed says how much of a grant is to be voided and charged now. What expired unused was not
// spent and is not owed; what was given anew for it is. What is held is decided when its hold ends.
func computeOwed(g *db.CreditGrant) (void, charge int64) {
	open := g.Clawed - (g.Expired - g.Compensated) - g.Voided - g.Charged
	void = max(0, min(open, g.Remaining))
	charge = max(0, open-void-g.Held)

	return void, charge
}

// compensateExpired expires what was released into grants that have expired meanwhile, and grants the same
// number anew for as long as it may last.
func (lt *ledgerTx) compensateExpired(ctx context.Context, cause entry) error {
	var (
		postings, lapsed []posting
		due              []anew
	)

	for _, g := range lt.grants {
		n := g.Remaining
		if n == 0 || !lt.isExpired(g) {
			continue
		}

		both := []posting{{available, g, -n}, {expired, g, n}}

		if until := lt.lastsAnew(g); until.After(lt.now) {
			g.Compensated += n
			postings = append(postings, both...)
			due = append(due, anew{g, n, until})
		} else {
			lapsed = append(lapsed, both...)
		}
	}

	if len(lapsed) > 0 {
		e := derivedEntry(cause, KindExpire)
		e.key = cause.key + lapse
		lt.post(e, lapsed...)
	}

	if len(due) == 0 {
		return nil
	}

	lt.post(derivedEntry(cause, KindExpire), postings...)

	for _, d := range due {
		if err := lt.giveAnew(ctx, cause, d); err != nil {
			return err
		}
	}

	return nil
}

// lapse ends the key of an expiry of what is not given anew.
const lapse = "+lapse"

// anew is credits to grant in place of those that expired.
type anew struct {
	of      *db.CreditGrant
	credits int64
	until   time.Time
}

// originExpiry is when the credits of a grant that expires were to expire when they first came.
func originExpiry(g *db.CreditGrant) time.Time {
	if g.OriginExpiresAt != nil {
		return *g.OriginExpiresAt
	}

	return *g.ExpiresAt
}

// lastsAnew returns until when credits of a grant that has expired last if they are given anew now. The limit
// stays with them: it is that of the grant with which they first came.
func (lt *ledgerTx) lastsAnew(g *db.CreditGrant) time.Time {
	until, limit := lt.now.Add(compensationLife), originExpiry(g).Add(compensationReach)
	if limit.Before(until) {
		return limit
	}

	return until
}

func (lt *ledgerTx) giveAnew(ctx context.Context, cause entry, d anew) error {
	e := derivedEntry(cause, KindCompensation)
	e.key += ":" + d.of.ID.String()
	e.source = string(SourceCompensation)

	g, err := lt.insertGrant(ctx, db.CreditGrant{
		Source: e.source, Reference: e.key, Priority: SourceCompensation.spendingPriority(), Amount: d.credits,
		ExpiresAt: &d.until, OriginExpiresAt: new(originExpiry(d.of)),
	})
	if err != nil {
		return err
	}

	lt.post(e, posting{issuedFree, g, -d.credits}, posting{available, g, d.credits})

	return nil
}

// repayDebt pays debt from what is available.
func (lt *ledgerTx) repayDebt(cause entry) {
	var postings []posting

	owed := lt.balance.Debt
	for _, g := range lt.grants {
		n := min(owed, g.Remaining)
		postings = append(postings, posting{available, g, -n}, posting{debt, g, n})
		owed -= n
	}

	if postings = dropZeros(postings); len(postings) > 0 {
		lt.post(derivedEntry(cause, KindRepay), postings...)
	}
}

func dropZeros(postings []posting) []posting {
	return slices.DeleteFunc(postings, func(l posting) bool { return l.amount == 0 })
}

// mergePostings adds up postings of the same account and grant: an entry has at most one posting for each.
func mergePostings(postings []posting) []posting {
	var out []posting

	for _, l := range postings {
		i := slices.IndexFunc(out, func(o posting) bool { return o.account == l.account && o.grant == l.grant })
		if i < 0 {
			out = append(out, l)
		} else {
			out[i].amount += l.amount
		}
	}

	return dropZeros(out)
}
