// Package fairqueue decides whose generation is next in the line of a provider.
//
// It is stride scheduling (Waldspurger and Weihl, 1995): each user has a pass, the user with the
// least pass gets the next turn, and a turn moves the pass on by a [Round] divided by the user's
// weight. A user of weight 3 has three turns in the time in which one of weight 1 has one, in
// whatever portions slots become free.
//
// # Invariants
//
//   - No user saves up turns: one who did not wait, or had all slots of their plan taken, goes on from
//     where the line is. What was missed is at most the one turn that they are next for.
//   - No user escapes: one who leaves the line and comes back has their pass still.
//   - A user of weight v who waits with a slot of their plan free is passed by another one, of
//     weight w, at most ⌈w/v⌉+1 times between two turns of theirs, and before their first turn no
//     more often than if v were 1.
//   - A user who comes for the first time enters behind those who came before, a Round-th of a round
//     behind the one before, and never further back than a round. So even an endless stream of new
//     users passes no user more than [Round] times. Ageing would be for that; there is no other.
package fairqueue

import (
	"bytes"

	"github.com/google/uuid"
)

// Round is by how much a turn moves on a user of weight 1: divisible by 1 to 12, so that their
// weights are exact.
const Round = 27720

// GlobalPass is where the line of one provider has got to. In its zero value no user was served yet.
type GlobalPass struct {
	Current int64 // the pass of the user who was served last; it never falls
	Entry   int64 // the pass of the user who enters next: Current or, up to a round, later
}

// Latest is the last pass that a user may enter with.
func (c GlobalPass) Latest() int64 { return c.Current + Round }

// Enter returns the pass of a user who comes to wait for the first time.
func (c *GlobalPass) Enter() int64 {
	pass := min(c.Entry, c.Latest())
	c.Entered(1)

	return pass
}

// Entered says that n users were given Entry, Entry+1 and so on, but none more than Latest.
func (c *GlobalPass) Entered(n int) { c.Entry = min(c.Entry+int64(n), c.Latest()) }

// User is one who waits.
type User struct {
	ID      uuid.UUID
	Pass    int64
	Weight  int // turns in a round; below 1 counts as 1
	Waiting int // how many turns they can use
}

func (u User) stride() int64 { return max(1, Round/int64(max(1, u.Weight))) }

// passOfTurn is the pass with which a user gets their nth turn from now, the first being 0, if
// the line goes on from its clock.
func (u User) passOfTurn(c GlobalPass, n int) int64 {
	if n == 0 {
		return u.Pass
	}

	return max(u.Pass, c.Current) + int64(n)*u.stride()
}

// comesBefore is the order of the line; the ids decide what passes do not.
func comesBefore(pass int64, id uuid.UUID, other int64, otherID uuid.UUID) bool {
	return pass < other || pass == other && bytes.Compare(id[:], otherID[:]) < 0
}

// Serve gives out turns and returns who got them, in order, as indexes of users. It moves on
// their passes and the clock, and takes what was given off Waiting. No user who is left out may have
// a pass before that of the last who was served.
func (c *GlobalPass) Serve(users []User, turns int) []int {
	served := make([]int, 0, turns)

	for len(served) < turns {
		next := -1

		for i, u := range users {
			if u.Waiting > 0 && (next < 0 || comesBefore(u.Pass, u.ID, users[next].Pass, users[next].ID)) {
				next = i
			}
		}

		if next < 0 {
			break
		}

		u := &users[next]
		c.Current = max(c.Current, u.Pass)
		c.Entry = max(c.Entry, c.Current)
		u.Pass = c.Current + u.stride()
		u.Waiting--

		served = append(served, next)
	}

	return served
}

// Waiters is everybody who waits, as of one moment.
type Waiters struct {
	GlobalPass

	Users []User
}

// Ahead is how many turns of others come before the nth of this user, the first being 0, if
// no user comes or goes and no user's slots are all taken. What the line says of the user itself
// does not count, since the caller may know better.
func (l Waiters) Ahead(me User, n int) (ahead int) {
	pass := me.passOfTurn(l.GlobalPass, n)

	for _, u := range l.Users {
		if u.ID == me.ID || u.Waiting == 0 || !comesBefore(u.Pass, u.ID, pass, me.ID) {
			continue
		}

		// The turns after the first are a stride apart.
		rest := int64(0)
		if gap := pass - u.passOfTurn(l.GlobalPass, 1); gap >= 0 {
			rest = gap/u.stride() + 1
			if gap%u.stride() == 0 && bytes.Compare(u.ID[:], me.ID[:]) > 0 {
				rest--
			}
		}

		ahead += 1 + int(min(rest, int64(u.Waiting-1)))
	}

	return ahead
}
