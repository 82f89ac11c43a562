package credits

import (
	"context"
	"slices"

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
// number anew.
func (b *book) compensate(ctx context.Context, follows entry) error {
	var (
		legs  []leg
		total int64
	)

	for _, g := range b.grants {
		if n := g.Remaining; n > 0 && b.isExpired(g) {
			legs = append(legs, leg{available, g, -n}, leg{expired, g, n})
			g.Compensated += n
			total += n
		}
	}

	if total == 0 {
		return nil
	}

	b.add(consequence(follows, KindExpire), legs...)

	e := consequence(follows, KindCompensation)
	e.source = string(SourceCompensation)
	until := b.now.Add(compensationLife)

	g, err := b.insert(ctx, SourceCompensation, e.key, SourceCompensation.priority(), total, &until)
	if err != nil {
		return err
	}

	b.add(e, leg{issuedFree, g, -total}, leg{available, g, total})

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
