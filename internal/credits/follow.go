package credits

import (
	"context"
	"slices"
	"time"

	"imagerun/internal/credits/db"
)

// consequence is an entry that follows from another.
func consequence(e entry, kind Kind) entry {
	return entry{kind: kind, source: e.source, key: e.key + "+" + string(kind), taskID: e.taskID}
}

// reclaim voids what is left of grants whose payment was taken back, and charges what was used.
func (b *book) reclaim(follows entry) {
	var void, charge []leg

	for _, g := range b.grants {
		v, c := owed(g)
		void = append(void, leg{available, g, -v}, leg{takenBack, g, v})

		if c > 0 {
			g.Charged += c
			b.touch(g)
			charge = append(charge, leg{debt, nil, -c}, leg{takenBack, nil, c})
		}
	}

	if void = nonzero(void); len(void) > 0 {
		b.add(consequence(follows, KindVoid), void...)
	}

	if charge = merge(charge); len(charge) > 0 {
		b.add(consequence(follows, KindCharge), charge...)
	}
}

// owed says how much of a grant is to be voided and charged now. What expired unused was had by
// nobody and is not owed; what was given anew for it is. What is held is decided when its hold ends.
func owed(g *db.CreditGrant) (void, charge int64) {
	open := g.Clawed - (g.Expired - g.Compensated) - g.Voided - g.Charged
	void = max(0, min(open, g.Remaining))
	charge = max(0, open-void-g.Held)

	return void, charge
}

// compensate expires what was released into grants that have expired meanwhile, and grants the same
// number anew for as long as it may last.
func (b *book) compensate(ctx context.Context, follows entry) error {
	var (
		legs, lapsed []leg
		due          []anew
	)

	for _, g := range b.grants {
		n := g.Remaining
		if n == 0 || !b.isExpired(g) {
			continue
		}

		both := []leg{{available, g, -n}, {expired, g, n}}

		if until := b.lastsAnew(g); until.After(b.now) {
			g.Compensated += n
			legs = append(legs, both...)
			due = append(due, anew{g, n, until})
		} else {
			lapsed = append(lapsed, both...)
		}
	}

	if len(lapsed) > 0 {
		e := consequence(follows, KindExpire)
		e.key = follows.key + lapse
		b.add(e, lapsed...)
	}

	if len(due) == 0 {
		return nil
	}

	b.add(consequence(follows, KindExpire), legs...)

	for _, d := range due {
		if err := b.giveAnew(ctx, follows, d); err != nil {
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
func (b *book) lastsAnew(g *db.CreditGrant) time.Time {
	until, limit := b.now.Add(compensationLife), originExpiry(g).Add(compensationReach)
	if limit.Before(until) {
		return limit
	}

	return until
}

func (b *book) giveAnew(ctx context.Context, follows entry, d anew) error {
	e := consequence(follows, KindCompensation)
	e.key += ":" + d.of.ID.String()
	e.source = string(SourceCompensation)

	g, err := b.insert(ctx, db.CreditGrant{
		Source: e.source, Reference: e.key, Priority: SourceCompensation.priority(), Amount: d.credits,
		ExpiresAt: &d.until, OriginExpiresAt: new(originExpiry(d.of)),
	})
	if err != nil {
		return err
	}

	b.add(e, leg{issuedFree, g, -d.credits}, leg{available, g, d.credits})

	return nil
}

// repay pays debt from what is available.
func (b *book) repay(follows entry) {
	var legs []leg

	owed := b.balance.Debt
	for _, g := range b.grants {
		n := min(owed, g.Remaining)
		legs = append(legs, leg{available, g, -n}, leg{debt, g, n})
		owed -= n
	}

	if legs = nonzero(legs); len(legs) > 0 {
		b.add(consequence(follows, KindRepay), legs...)
	}
}

func nonzero(legs []leg) []leg {
	return slices.DeleteFunc(legs, func(l leg) bool { return l.amount == 0 })
}

// merge adds up legs of the same account and grant: an entry has at most one posting for each.
func merge(legs []leg) []leg {
	var out []leg

	for _, l := range legs {
		i := slices.IndexFunc(out, func(o leg) bool { return o.account == l.account && o.grant == l.grant })
		if i < 0 {
			out = append(out, l)
		} else {
			out[i].amount += l.amount
		}
	}

	return nonzero(out)
}
