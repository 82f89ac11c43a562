package credits_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/credits/creditstest"
	"imagerun/internal/devstack/devtest"
)

// 64 want the last credits of one person: as many get some as there are, the rest are told.
func TestLastCredits_Prove(t *testing.T) {
	t.Parallel()

	rounds := 5
	if proving() {
		rounds = 1000
	}

	pool := devtest.Postgres(t)

	for round := range rounds {
		b, err := newBundle(t.Context(), pool)
		require.NoError(t, err)

		price := int64(1 + round%7)
		b.give(t, credits.SourcePack, fmt.Sprint("creem:a:", round), 17, nil)
		b.give(t, credits.SourcePromotion, fmt.Sprint("promo:", round), 13, b.in(time.Hour))
		b.give(t, credits.SourcePromotion, fmt.Sprint("gone:", round), 9, b.in(time.Microsecond))
		b.time.Move(time.Microsecond) // what has expired does not count, booked or not

		results := make([]error, 64)

		var all sync.WaitGroup

		for i := range results {
			all.Go(func() { results[i] = b.hold(uuid.New(), price) })
		}

		all.Wait()

		var held int64

		for _, err := range results {
			if err == nil {
				held++

				continue
			}

			var short *credits.ShortfallError

			require.ErrorAs(t, err, &short)
			require.Equal(t, credits.ShortfallError{Required: price, Available: 30 % price}, *short)
		}

		require.Equal(t, 30/price, held)
	}

	creditstest.Check(t, pool)
}

// call is one verb, as a client sees it.
type call struct {
	verb string // hold, release, grant or read
	n    int64
}

type answer struct {
	refused bool
	balance credits.Balance
}

// account is what one person's balance should be like to any reader.
func account() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return credits.Balance{} },
		Step: func(state, input, output any) (bool, any) {
			s, in, out := state.(credits.Balance), input.(call), output.(answer)

			switch in.verb {
			case "grant":
				s.Available += in.n
			case "hold":
				if s.Available < in.n {
					return out.refused, s
				}

				s.Available -= in.n
				s.Held += in.n

				return !out.refused && out.balance == s, s
			case "release":
				s.Available += in.n
				s.Held -= in.n
			case "read":
				return out.balance == s, s
			}

			return true, s
		},
	}
}

// Whatever many do at once to one balance, there is an order of it in which each of them saw what
// one after the other would have (linearizability; Herlihy and Wing, 1990).
func TestOneBalanceIsLinearizable(t *testing.T) {
	t.Parallel()

	b := setup(t)
	begin := time.Now()

	var (
		all        sync.WaitGroup
		mu         sync.Mutex
		operations []porcupine.Operation
	)

	record := func(client int, in call, f func() (answer, error)) answer {
		from := time.Since(begin).Nanoseconds()
		out, err := f()
		to := time.Since(begin).Nanoseconds()

		if err != nil {
			t.Errorf("%s: %v", in.verb, err)
		}

		mu.Lock()
		defer mu.Unlock()

		operations = append(operations, porcupine.Operation{ClientId: client, Input: in, Call: from, Output: out, Return: to})

		return out
	}

	for client := range 6 {
		all.Go(func() {
			for i := range 6 {
				n := int64(1 + (client+i)%5)

				record(client, call{"grant", n}, func() (answer, error) {
					return answer{}, b.tx(func(tx pgx.Tx) error {
						_, err := b.Grant(b.ctx, tx, credits.Grant{
							Subject: b.subject, Source: credits.SourcePack, Reference: fmt.Sprint(client, ":", i), Credits: n,
						})

						return err
					})
				})

				task := uuid.New()
				took := record(client, call{"hold", 2 * n}, func() (out answer, err error) {
					err = b.tx(func(tx pgx.Tx) error {
						out.balance, err = b.Hold(b.ctx, tx, credits.Hold{UserID: b.user, TaskID: task, Credits: 2 * n, AutoRefundAt: b.time.Now().Add(time.Hour)})

						return err
					})
					if out.refused = errors.Is(err, credits.ErrInsufficient); out.refused {
						err = nil
					}

					return out, err
				})

				record(client, call{"read", 0}, func() (out answer, err error) {
					out.balance, err = b.Balance(b.ctx, b.pool, b.user)

					return out, err
				})

				if !took.refused && i%2 == 0 {
					record(client, call{"release", 2 * n}, func() (answer, error) {
						return answer{}, b.tx(func(tx pgx.Tx) error {
							_, err := b.Release(b.ctx, tx, task)

							return err
						})
					})
				}
			}
		})
	}

	all.Wait()

	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(account(), operations, 30*time.Second))
	creditstest.Check(t, b.pool)

	// The model can say no.
	operations = append(operations, porcupine.Operation{
		ClientId: 99, Input: call{"read", 0}, Call: time.Since(begin).Nanoseconds(),
		Output: answer{balance: credits.Balance{Available: -1}}, Return: time.Since(begin).Nanoseconds() + 1,
	})
	require.Equal(t, porcupine.Illegal, porcupine.CheckOperationsTimeout(account(), operations, 30*time.Second))
}
