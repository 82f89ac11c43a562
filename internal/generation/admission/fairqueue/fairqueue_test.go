package fairqueue_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"imagerun/internal/generation/admission/fairqueue"
)

func id(n int) uuid.UUID { return uuid.UUID{0: byte(n >> 8), 1: byte(n)} }

func ceil(a, b int) int { return (a + b - 1) / b }

func TestServe_SharesByWeightOneSlotAtATime(t *testing.T) {
	t.Parallel()

	var c fairqueue.GlobalPass

	users := []fairqueue.User{{ID: id(0), Weight: 3, Waiting: 300}, {ID: id(1), Weight: 1, Waiting: 300}, {ID: id(2), Weight: 2, Waiting: 300}}
	for i := range users {
		users[i].Pass = c.Enter()
	}

	got := make([]int, len(users))

	for n := 1; n <= 600; n++ {
		got[c.Serve(users, 1)[0]]++

		for i, u := range users {
			require.InDelta(t, float64(n*u.Weight)/6, got[i], 1.5, "after %d turns", n)
		}
	}

	require.Equal(t, []int{300, 100, 200}, got)
}

func TestServe_InPortionsIsTheSame(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		c, users := drawLine(t)
		n := rapid.IntRange(0, 60).Draw(t, "turns")

		c2, users2 := c, slices.Clone(users)
		want := c.Serve(users, n)

		var got []int
		for left := n; left > 0; {
			portion := rapid.IntRange(1, left).Draw(t, "portion")
			got = append(got, c2.Serve(users2, portion)...)
			left -= portion
		}

		require.Equal(t, want, append([]int{}, got...))
		require.Equal(t, c, c2)
	})
}

func TestLine_SaysWhatServeDoes(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		c, users := drawLine(t)
		line := fairqueue.Waiters{GlobalPass: c, Users: slices.Clone(users)}
		had := make([]int, len(users))

		for n, i := range c.Serve(users, 1000) {
			require.Equal(t, n, had[i]+line.Ahead(line.Users[i], had[i]), "turn %d", n)

			had[i]++
		}
	})
}

func drawLine(t *rapid.T) (fairqueue.GlobalPass, []fairqueue.User) {
	now := rapid.Int64Range(0, 3*fairqueue.Round).Draw(t, "now")
	users := make([]fairqueue.User, rapid.IntRange(0, 8).Draw(t, "users"))

	for i := range users {
		users[i] = fairqueue.User{
			ID:      id(i),
			Pass:    rapid.OneOf(rapid.Int64Range(0, 4*fairqueue.Round), rapid.Just(now)).Draw(t, "pass"),
			Weight:  rapid.IntRange(1, 20).Draw(t, "weight"),
			Waiting: rapid.IntRange(0, 12).Draw(t, "waiting"),
		}
	}

	return fairqueue.GlobalPass{Current: now, Entry: now}, users
}

// person is what the machine below knows of one user.
type person struct {
	fairqueue.User

	entered       bool
	slots, busy   int
	since         int         // when the oldest waiting one came
	passedBy      map[int]int // by whom how often, since a turn or since they could have one
	bound         func(weight int) int
	waitingInLine int
}

func (p *person) eligible() bool { return p.waitingInLine > 0 && p.busy < p.slots }

// Random users of random weights and slots come, wait and finish.
func TestServe_StarvesNobodyAndLeavesNoSlotEmpty(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		var (
			c      fairqueue.GlobalPass
			people = map[int]*person{}
			slots  = rapid.IntRange(1, 6).Draw(t, "slots")
			busy   = 0
			now    = 0
		)

		round := func() {
			enterLine(&c, people)

			for _, p := range people {
				if !p.eligible() {
					p.passedBy = nil
				} else if p.passedBy == nil {
					p.passedBy = map[int]int{}
					lead := int(max(0, p.Pass-c.Current))
					p.bound = func(weight int) int { return ceil(lead*weight, fairqueue.Round) + 1 }
				}
			}

			busy += serve(t, &c, people, slots-busy)

			for n, p := range people {
				require.False(t, busy < slots && p.eligible(), "a slot is free and %d waits", n)

				for by, times := range p.passedBy {
					require.LessOrEqual(t, times, p.bound(people[by].Weight), "%d of weight %d was passed by %d of weight %d", n, p.Weight, by, people[by].Weight)
				}
			}
		}

		t.Repeat(map[string]func(*rapid.T){
			"come": func(t *rapid.T) {
				now++
				n := rapid.IntRange(0, 9).Draw(t, "who")

				p, ok := people[n]
				if !ok {
					p = &person{User: fairqueue.User{ID: id(n), Weight: rapid.IntRange(1, 20).Draw(t, "weight")}, slots: rapid.IntRange(1, 4).Draw(t, "own")}
					people[n] = p
				}

				if p.waitingInLine == 0 {
					p.since = now
				}

				p.waitingInLine += rapid.IntRange(1, 20).Draw(t, "how many")
				round()
			},
			"finish": func(t *rapid.T) {
				var working []int
				for _, n := range slices.Sorted(maps.Keys(people)) {
					if people[n].busy > 0 {
						working = append(working, n)
					}
				}

				if len(working) == 0 {
					t.Skip("nobody works")
				}

				people[rapid.SampledFrom(working).Draw(t, "who")].busy--
				busy--

				round()
			},
		})
	})
}

func enterLine(c *fairqueue.GlobalPass, people map[int]*person) {
	var fresh []*person

	for _, p := range people {
		if !p.entered && p.waitingInLine > 0 {
			fresh = append(fresh, p)
		}
	}

	slices.SortFunc(fresh, func(a, b *person) int { return cmp.Compare(a.since, b.since) })

	for _, p := range fresh {
		p.Pass, p.entered = c.Enter(), true
	}
}

// serve gives out the free slots as admission does, one after the other, and counts who was passed.
func serve(t *rapid.T, c *fairqueue.GlobalPass, people map[int]*person, free int) int {
	var (
		names []int
		users []fairqueue.User
	)

	for _, n := range slices.Sorted(maps.Keys(people)) {
		if p := people[n]; p.eligible() {
			p.Waiting = min(p.waitingInLine, p.slots-p.busy)
			names, users = append(names, n), append(users, p.User)
		}
	}

	before := c.Current
	served := c.Serve(users, free)

	require.GreaterOrEqual(t, c.Current, before)

	for i, n := range names {
		people[n].User = users[i]
	}

	for _, i := range served {
		who := people[names[i]]
		who.busy++
		who.waitingInLine--
		who.passedBy = nil

		if who.eligible() {
			who.passedBy = map[int]int{}
			who.bound = func(weight int) int { return ceil(weight, who.Weight) + 1 }
		}

		for n, p := range people {
			if n != names[i] && p.eligible() {
				p.passedBy[names[i]]++
			}
		}
	}

	return len(served)
}

func TestServe_AnEndlessStreamOfNewUsersStarvesNobody(t *testing.T) {
	t.Parallel()

	for _, weight := range []int{1, 6} {
		var c fairqueue.GlobalPass

		users := []fairqueue.User{{ID: id(0), Pass: c.Enter(), Weight: weight, Waiting: 3}}
		require.Equal(t, []int{0}, c.Serve(users, 1))

		passed := 0

		for users[0].Waiting == 2 {
			users = append(users[:1], fairqueue.User{ID: id(1 + passed), Pass: c.Enter(), Weight: 12, Waiting: 1})
			c.Serve(users, 1)

			passed++
			require.LessOrEqual(t, passed, fairqueue.Round/weight+1)
		}
	}
}

// Somebody who was away has neither saved turns nor got rid of what they had.
func TestServe_NobodySavesOrEscapes(t *testing.T) {
	t.Parallel()

	var c fairqueue.GlobalPass

	users := []fairqueue.User{{ID: id(0), Pass: c.Enter(), Weight: 1, Waiting: 1}, {ID: id(1), Pass: c.Enter(), Weight: 1, Waiting: 500}}
	require.Equal(t, []int{0, 1}, c.Serve(users, 2))

	users[0].Waiting = 1
	require.Equal(t, []int{0, 1}, c.Serve(users, 2), "it comes back at once and has not lost its place")

	c.Serve(users, 100)

	users[0].Waiting = 100
	require.Equal(t, []int{0, 0, 1, 0, 1, 0, 1}[:2], c.Serve(users, 2)[:2])

	got := c.Serve(users, 20)
	mine := 0

	for _, i := range got {
		if i == 0 {
			mine++
		}
	}

	require.Equal(t, 10, mine)
}
