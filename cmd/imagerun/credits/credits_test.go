package credits

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/cli"
	"imagerun/internal/cli/clitest"
	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// counter is an operator at the counter.
type counter struct{ clitest.Counter }

func atTheCounter(t *testing.T) counter {
	t.Helper()

	return counter{clitest.NewCounter(t)}
}

// says runs the command, with nothing but the database's address set.
func (b counter) says(args ...string) (out, aside string, err error) {
	return clitest.Execute(b.T.Context(), Command([]string{"IMAGERUN_POSTGRES_URL=" + b.URL}), args...)
}

// run is says, where it must work and say nothing aside.
func (b counter) run(args ...string) string {
	b.T.Helper()

	out, aside, err := b.says(args...)
	require.NoError(b.T, err)
	require.Empty(b.T, aside)

	return out
}

func TestCredits_Balance(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	id, code := b.AddGeneration()
	b.AddHold(uuid.New())

	var subject string
	require.NoError(t, b.Pool.QueryRow(t.Context(), `select subject::text from billing_subject`).Scan(&subject))

	// Whatever the person reads out, and what the audit calls them.
	for _, who := range []string{b.User.String(), cli.GenerationID(id), code, "4x9kq 7m2ab", subject} {
		out := b.run("balance", who)
		require.Regexp(t, `(?m)^user +`+b.User.String()+`\navailable +0\nheld +6\ndebt +0$`, out)
		require.Regexp(t, `(?m)^ *GRANT +OF +LEFT +HELD +EXPIRES\n *pack +10 +0 +6 +never$`, out)
		require.NotContains(t, out, "@", "no address")
	}

	var got struct {
		UserID                uuid.UUID `json:"user_id"`
		Available, Held, Debt int64
		Grants                []grantJSON
	}

	require.NoError(t, json.Unmarshal([]byte(b.run("balance", b.User.String(), "--json")), &got))
	require.EqualValues(t, 6, got.Held)
	require.Equal(t, b.User, got.UserID)
	require.Len(t, got.Grants, 1)
	require.Equal(t, credits.SourcePack, got.Grants[0].Source)

	// An account that never had any.
	other := uuid.New()
	b.Exec(b.Owner, `insert into auth."user" ("id", "name", "email", "emailVerified", "updatedAt") values ($1, '', 'g@example.com', true, now())`, other)
	require.Regexp(t, `^user +`+other.String()+`\navailable +0\nheld +0\ndebt +0\n$`, b.run("balance", other.String()))
	require.Contains(t, b.run("balance", other.String(), "--json"), `"grants": []`)
	require.Equal(t, "  #  WHEN (UTC)  CREDITS  AVAILABLE  HELD  DEBT  WHAT\n0 entries\n", b.run("entries", other.String()))
}

func TestCredits_Entries(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	id, code := b.AddGeneration()
	b.run("refund", code, "--image", "3", "--reason", "quality", "--by", "ada")

	at, gen := `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`, " "+cli.GenerationID(id)
	want := ""

	for i, row := range []string{
		`\+10 +10 +0 +0  Credits that you bought\.`,
		`-6 +4 +6 +0  Set aside for a generation\.` + gen,
		`-2 +4 +4 +0  Paid for image 1 of a generation\.` + gen,
		`-2 +4 +2 +0  Paid for image 3 of a generation\.` + gen,
		`\+2 +6 +0 +0  Returned: the generation did not use them\.` + gen,
		`\+2 +8 +0 +0  Given back by our support for a generation\.` + gen + ` \(quality, by ada\)`,
	} {
		want += fmt.Sprintf(` *%d +%s +%s\n`, i+1, at, row)
	}

	require.Regexp(t, `^ *# +WHEN \(UTC\) +CREDITS +AVAILABLE +HELD +DEBT +WHAT\n`+want+`6 entries\n$`, b.run("entries", b.User.String()))

	out := b.run("entries", b.User.String(), "--limit", "2", "--before", "4")
	require.Regexp(t, `(?s)Set aside.*Paid for image 1`, out)
	require.Contains(t, out, "2 entries\nearlier ones: --before 2\n")

	var got struct{ Entries []cli.Entry }
	require.NoError(t, json.Unmarshal([]byte(b.run("entries", code, "--json")), &got))
	require.Len(t, got.Entries, 6)

	e := got.Entries[5]
	require.Equal(t, cli.Entry{
		Sequence: 6, At: e.At, Kind: credits.KindRefund, Source: credits.SourceRefund, Credits: 2, GenerationID: cli.GenerationID(id),
		Sentence: "Given back by our support for a generation.", Actor: "ada", Reason: credits.ReasonQuality, After: cli.Balance{Available: 8},
	}, e)
}

func TestCredits_Check(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	b.AddGeneration()

	out, _, err := b.says("check") // where it takes long it says how far it is
	require.NoError(t, err)
	require.Equal(t, "in order: 18 invariants hold\n", out)

	var sound checkJSON

	out, _, err = b.says("check", "--json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(out), &sound))
	require.True(t, sound.Sound)
	require.Len(t, sound.Invariants, 18)

	// A role that may do anything to the database did. (A replica's session fires no trigger.)
	_, err = b.Owner.Exec(t.Context(), "set session_replication_role = replica; update ledger_posting set amount = amount + 1 where account = 'revenue'",
		pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)

	out, aside, err := b.says("check")
	require.ErrorIs(t, err, errUnsound)
	require.Regexp(t, `(?m)^I1 +entry 3 sums to 1 +subject [0-9a-f-]{36}$`, out)
	require.Regexp(t, `(?m)^\d+ breaches of \d invariants$`, out)
	require.Regexp(t, `(?m)^(\d+) of \d+ entr(?:y|ies): 4 breaches in the last .*s$`, aside)

	out, _, err = b.says("check", "--json")
	require.ErrorIs(t, err, errUnsound)

	var unsound checkJSON
	require.NoError(t, json.Unmarshal([]byte(out), &unsound))
	require.False(t, unsound.Sound)
	require.Equal(t, 2, unsound.Breaches["I1"])
	require.NotEmpty(t, unsound.Violations[0].Subject)

	// Each time it was noted, for the metrics.
	var noted []bool
	require.NoError(t, b.Pool.QueryRow(t.Context(), `select array_agg(breaches > 0 order by at) from credit_audit`).Scan(&noted))
	require.Equal(t, []bool{false, false, true, true}, noted)

	// What cannot be read is not in order.
	b.Exec(b.Owner, `alter table credit_claw rename to gone`)

	out, _, err = b.says("check", "--json")
	require.ErrorContains(t, err, "the audit did not come to its end")
	require.Contains(t, out, `"sound": false`)
}

func TestCredits_RefusesSlips(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	user, stranger := b.User.String(), uuid.NewString()
	gift := "grant " + user + " 5 --reason goodwill "

	for args, want := range map[string]string{
		"balence":                 `there is no command "balence": did you mean balance?`,
		"balance":                 "takes one argument, a user",
		"balance ada@example.com": `is neither an id nor a support code`,
		"balance " + stranger:     "there is no user " + stranger,
		"balance gen_12":          `"gen_12" is not the id of a generation: that is gen_ and 32 digits`,
		"balance " + cli.GenerationID(uuid.New()):                        "there is no generation gen_",
		"balance ABCDE-FGHJK":                                            "there is no generation ABCDE-FGHJK",
		"entries " + user + " --limit 0":                                 "--limit: must be 1 to 10000",
		"entries " + user + " --before -1":                               "--before: must be the number of an entry",
		"grant " + user:                                                  "takes two arguments, a user and how many credits",
		"grant " + user + " ten":                                         `"ten" is no number of credits: write a whole number above 0`,
		"grant " + user + " 0":                                           `"0" is no number of credits`,
		"grant " + user + " -5":                                          `"-5" is no number of credits`,
		"grant " + user + " 1.5":                                         `"1.5" is no number of credits`,
		"grant " + user + " 99999999999999999999":                        "is no number of credits",
		"grant " + user + " 1000001":                                     "CREDITS: at most 1000000 at once",
		"grant " + user + " 5":                                           "--reason: say why: quality, not_delivered, mistake, goodwill, other",
		"grant " + user + " 5 --reason kindness":                         `--reason: there is no "kindness"; there are quality, not_delivered, mistake, goodwill, other`,
		"grant " + user + " 5 --reason dispute":                          `--reason: there is no "dispute"`,
		"grant " + stranger + " 5 --reason quality":                      "there is no user " + stranger,
		gift + "--by=":                                                   "--by: must be your login",
		gift + "--by system":                                             "--by: system is what nobody decided",
		gift + "--by ada@example.com":                                    "--by: must be your login",
		gift + "--request ada@example.com":                               "--request: must be up to 64 letters",
		gift + "--expires 2020-01-31":                                    "that day is over",
		gift + "--expires soon":                                          "write a day such as 2027-01-31, or a number and its unit",
		gift + "--expires 0s":                                            "write a day such as",
		"refund":                                                         "takes one argument, a generation",
		"refund x --reason quality":                                      `"x" is neither an id nor a support code`,
		"refund ABCDE-FGHJK --reason quality":                            "there is no generation of the support code ABCDE-FGHJK",
		"refund " + stranger + " --reason quality":                       "no credits were ever set aside for " + stranger + ": nothing was booked",
		"refund " + stranger + " --credits 0":                            "write a whole number above 0",
		"refund " + stranger + " --credits -1":                           "write a whole number above 0",
		"refund " + stranger + " --image 0":                              "write a whole number above 0",
		"refund " + stranger + " --image 1 --credits 2 --reason quality": "--credits or --image: which of them?",
		"refund " + stranger + " --image 1 --request 1 --reason quality": "an image is given back once, whatever the request",
		"check " + user:                                                  "unknown command",
	} {
		out, _, err := b.says(strings.Fields(args)...)
		require.ErrorContains(t, err, want, "%v", args)
		require.Empty(t, out, "%v", args)
	}

	// All that is wrong, at once.
	_, _, err := b.says("grant", user, "0", "--reason", "x", "--request", "a b", "--by", "")
	for _, want := range []string{`"0" is no number`, "--reason: ", "--request: ", "--by: "} {
		require.ErrorContains(t, err, want)
	}

	b.RequireBalance(credits.Balance{Available: 10})
}

// The answer of the commit is lost: the operator learns how to find out without booking twice.
func TestCredits_CommitBreaksOff(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	give := []string{"grant", b.User.String(), "5", "--reason", "goodwill", "--request", "1"}

	// A check at the commit that ends the session.
	b.Exec(b.Owner, `create function hang_up() returns trigger language plpgsql security definer as $$ begin
		perform pg_terminate_backend(pg_backend_pid()); return null; end $$`)
	b.Exec(b.Owner, `create constraint trigger hang_up after insert on ledger_txn deferrable initially deferred for each row execute function hang_up()`)

	_, _, err := b.says(give...)
	require.ErrorContains(t, err, "it is not known whether this was booked: repeat it with --request 1, and it is booked once")

	// Before the commit, it is known.
	b.Exec(b.Owner, `drop trigger hang_up on ledger_txn`)
	b.Exec(b.Owner, `create trigger hang_up after insert on ledger_txn for each row execute function hang_up()`)

	_, _, err = b.says(give...)
	require.ErrorContains(t, err, "nothing was booked: ")

	b.Exec(b.Owner, `drop trigger hang_up on ledger_txn`)
	require.Contains(t, b.run(give...), "booked, by request 1")
	b.RequireBalance(credits.Balance{Available: 15})
}

func TestCredits_Help(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)

	for _, name := range []string{"balance", "entries", "grant", "refund", "check"} {
		require.Contains(t, b.run(name, "--help"), "Examples:\n  imagerun credits "+name, name)
	}

	require.Contains(t, b.run(), "Available Commands:")

	_, _, err := clitest.Execute(t.Context(), Command(nil), "check")
	require.ErrorContains(t, err, "IMAGERUN_POSTGRES_URL")
}
