package credits

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/cli"
	"imagerun/internal/credits"
	"imagerun/internal/credits/creditstest"
)

func TestCredits_Grant(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	give := []string{"grant", b.User.String(), "50", "--reason", "goodwill", "--by", "ada", "--request", "ticket-4711", "--expires", "90d"}

	out := b.run(append(give, "--dry-run")...)
	require.Contains(t, out, "a dry run: nothing was booked. This would be:\n")
	require.Regexp(t, `2 +.* \+50 +60 +0 +0  Credits from our support\. \(goodwill, by ada\)\nthen: 60 available, 0 held, 0 debt\n$`, out)
	b.RequireBalance(credits.Balance{Available: 10})

	out = b.run(give...)
	require.Regexp(t, `^booked, by request ticket-4711:\n.*\n *2 .*\nnow: 60 available, 0 held, 0 debt\n$`, out)

	out = b.run(give...)
	require.Regexp(t, `^request ticket-4711 was booked before; nothing was changed:\n.*\n *2 .*\nnow: 60 available, 0 held, 0 debt\n$`, out)

	out = b.run(append(give, "--dry-run", "--json")...)
	require.Contains(t, out, `"booked": false`)
	b.RequireBalance(credits.Balance{Available: 60})

	// The same request, and another meaning: of the number, and of the person.
	other := uuid.New()
	b.Exec(b.Owner, `insert into auth."user" ("id", "name", "email", "emailVerified", "updatedAt") values ($1, '', 'g@example.com', true, now())`, other)

	for _, args := range [][]string{{"grant", b.User.String(), "51"}, {"grant", other.String(), "50"}} {
		_, _, err := b.says(append(args, give[3:]...)...)
		require.ErrorContains(t, err, "request ticket-4711 was used for something else, and nothing was booked now. It was, on ")
		require.ErrorContains(t, err, "+50 Credits from our support. (goodwill, by ada)")
	}

	// Without a request it makes one up, says so before it begins, and can be repeated with it.
	out, aside, err := b.says("grant", b.User.String(), "5", "--reason", "mistake", "--actor", "grace", "--json")
	require.NoError(t, err)

	var got outcome
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.True(t, got.Booked)
	require.Equal(t, "request "+got.Request+": to repeat this if it breaks off, add --request and that\n", aside)
	require.Equal(t, "grace", got.Entries[0].Actor)
	require.Contains(t, b.run("grant", b.User.String(), "5", "--reason", "mistake", "--request", got.Request), "was booked before")
	b.RequireBalance(credits.Balance{Available: 65})

	left := b.run("balance", b.User.String())
	require.Regexp(t, `operator +5 +5 +0 +never`, left)
	require.Regexp(t, `operator +50 +50 +0 +`+time.Now().AddDate(0, 0, 90).UTC().Format("2006-01"), left)

	// A day is good until its end.
	day := time.Now().UTC().AddDate(0, 0, 3)
	b.run("grant", other.String(), "1", "--reason", "other", "--request", "1", "--expires", day.Format(time.DateOnly))
	require.Contains(t, b.run("balance", other.String()), day.AddDate(0, 0, 1).Format(time.DateOnly)+" 00:00:00 UTC")
}

// Who owes pays first, and the operator sees that.
func TestCredits_GrantPaysDebt(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	b.AddGeneration()

	var subject uuid.UUID
	require.NoError(t, b.Pool.QueryRow(t.Context(), `select subject from billing_subject`).Scan(&subject))
	b.Tx(func(tx pgx.Tx) error {
		return b.ClawBack(t.Context(), tx, credits.ClawBack{Subject: subject, Reference: "creem:1", Event: "e", Credits: 10, Reason: credits.ReasonDispute})
	})
	b.RequireBalance(credits.Balance{Debt: 4})

	out := b.run("grant", b.User.String(), "5", "--reason", "goodwill", "--request", "1")
	require.Regexp(t, `(?s)\+5 .*Credits from our support.*-4 +1 +0 +0  Used to pay what was owed\.\nnow: 1 available, 0 held, 0 debt\n$`, out)
	require.Contains(t, b.run("entries", b.User.String()), "A payment was refunded or disputed. (dispute)\n")
}

func TestCredits_Refund(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	id, code := b.AddGeneration()
	gen := cli.GenerationID(id)

	out := b.run("refund", code, "--reason", "quality", "--dry-run", "--request", "1")
	require.Regexp(t, `(?s)nothing was booked.*\+4 +10 +0 +0  Given back .*then: 10 available`, out)
	b.RequireBalance(credits.Balance{Available: 6})

	image := []string{"refund", gen, "--image", "1", "--reason", "quality", "--by", "ada"}
	require.Contains(t, b.run(image...), "now: 8 available, 0 held, 0 debt\n")
	require.Regexp(t, `^request `+id.String()+`:0 was booked before; nothing was changed:\n`, b.run(image...))

	_, _, err := b.says("refund", code, "--image", "2", "--reason", "quality")
	require.ErrorContains(t, err, "image 2 of "+gen+" was not paid for, but these were: 1, 3: nothing was booked")

	_, _, err = b.says("refund", code, "--credits", "3", "--reason", "quality", "--request", "2")
	require.ErrorContains(t, err, gen+" cost 4 credits, and 2 were given back before: there are 2 left to give back, not 3: nothing was booked")
	b.RequireBalance(credits.Balance{Available: 8})

	require.Contains(t, b.run("refund", id.String(), "--credits", "1", "--reason", "quality", "--request", "2"), "now: 9 available")
	require.Contains(t, b.run("refund", code, "--reason", "not_delivered", "--request", "3"), "now: 10 available", "all that is left")
	require.Contains(t, b.run("refund", code, "--reason", "not_delivered", "--request", "3"), "request 3 was booked before")
	b.RequireBalance(credits.Balance{Available: 10})

	_, _, err = b.says("refund", code, "--reason", "quality", "--request", "4")
	require.ErrorContains(t, err, gen+" cost 4 credits, and all of them were given back before: nothing was booked")

	_, _, err = b.says("grant", b.User.String(), "1", "--reason", "quality", "--request", "2")
	require.ErrorContains(t, err, "request 2 was used for something else", "a request is one decision, whatever it was")
	b.RequireBalance(credits.Balance{Available: 10})

	_, _, err = b.says("refund", code, "--credits", "2", "--reason", "quality", "--request", "2")
	require.ErrorContains(t, err, "request 2 was used for something else")
	require.ErrorContains(t, err, "+1 Given back by our support for a generation. "+gen)

	// One that has not ended yet.
	open := uuid.New()
	b.AddHold(open)

	_, _, err = b.says("refund", cli.GenerationID(open), "--credits", "2", "--reason", "quality", "--request", "5")
	require.ErrorContains(t, err, cli.GenerationID(open)+" has not ended, and has cost nothing so far")
	_, _, err = b.says("refund", cli.GenerationID(open), "--image", "1", "--reason", "quality")
	require.ErrorContains(t, err, "no image of "+cli.GenerationID(open)+" was paid for")

	b.Tx(func(tx pgx.Tx) error {
		_, err := b.Release(t.Context(), tx, open)

		return err
	})

	_, _, err = b.says("refund", cli.GenerationID(open), "--reason", "quality")
	require.ErrorContains(t, err, cli.GenerationID(open)+" cost nothing: nothing was booked")

	// The generation is forgotten: the ledger still knows what it cost. So is the account: no user could spend it.
	b.Exec(b.Pool, `delete from ai_task`)
	require.Contains(t, b.run("balance", gen), b.User.String())
	b.Tx(func(tx pgx.Tx) error { return b.Forget(t.Context(), tx, b.User) })
	_, _, err = b.says("refund", gen, "--reason", "quality")
	require.ErrorContains(t, err, "the account of "+gen+" is erased, and nobody could spend them")

	creditstest.Check(t, b.Pool)
}
