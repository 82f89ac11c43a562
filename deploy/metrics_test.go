package deploy_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/bills"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/phases"
	"imagerun/internal/httpapi"
	"imagerun/internal/inbox"
	"imagerun/internal/jobs"
	"imagerun/internal/outbound"
	"imagerun/internal/payments/books"
	"imagerun/internal/payments/reconcile"
	"imagerun/internal/ratelimit"
	"imagerun/internal/storage/sweep"
	"imagerun/internal/telemetry"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// exported returns what the processes export about themselves and about jobs: the series by name,
// and every label by name.
func exported(t *testing.T) (series, labels map[string]bool) {
	t.Helper()

	pool, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/none") // does not dial
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	client, err := asynqueue.Connect("redis://127.0.0.1:1", 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })

	q := durable.New(pool, jobs.Kinds(), durable.Options{})
	collectors := append(q.Collectors(), q.TableCollector(),
		asynqueue.NewCollector(asynqueue.NewPusher(client), nil, slog.New(slog.DiscardHandler)),
		sweep.Collector(pool, slog.New(slog.DiscardHandler)),
		credits.TableCollector(pool, slog.New(slog.DiscardHandler), clock.System),
		bills.Collector(pool, slog.New(slog.DiscardHandler), 0),
		reconcile.TableCollector(pool, slog.New(slog.DiscardHandler), clock.System),
		inbox.TableCollector(pool, slog.New(slog.DiscardHandler), clock.System))
	collectors = append(collectors, credits.New(credits.Options{Now: clock.System}).Collectors()...)
	collectors = append(collectors, ratelimit.NewMetrics().Collectors()...)
	collectors = append(collectors, httpapi.NewMetrics().Collectors()...)
	collectors = append(collectors, clock.NewCorrected(nil, nil).Collectors()...)
	collectors = append(collectors, books.New(books.Deps{}).Collectors()...)
	collectors = append(collectors, inbox.New(inbox.Deps{}).Collectors()...)
	collectors = append(collectors, outbound.NewMetrics().Collectors()...)
	collectors = append(collectors, phases.New(phases.Deps{Catalogue: &catalogue.Catalogue{}}).Collectors()...)

	series, labels = map[string]bool{}, map[string]bool{"le": true, "process": true, "job": true}

	described := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	descs := make(chan *prometheus.Desc)

	go func() {
		defer close(descs)

		for _, c := range collectors {
			c.Describe(descs)
		}
	}()

	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		require.NotNil(t, m, d)

		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			series[m[1]+suffix] = true
		}

		for label := range strings.SplitSeq(m[2], ",") {
			labels[label] = true
		}
	}

	auth, err := os.ReadFile("../auth/metrics.mjs")
	require.NoError(t, err)

	for _, m := range regexp.MustCompile(`name: "(imagerun_\w+)"[^\]]*labelNames: \[([^\]]*)\]`).FindAllStringSubmatch(string(auth), -1) {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			series[m[1]+suffix] = true
		}

		for label := range strings.SplitSeq(m[2], ", ") {
			labels[strings.Trim(label, `"`)] = true
		}
	}

	families, err := telemetry.NewRegistry("test", "test").Gather()
	require.NoError(t, err)

	for _, f := range families {
		series[f.GetName()] = true
	}

	return series, labels
}

// rules returns the alarms of the rule file: their names with their expressions and runbooks.
func rules(t *testing.T) map[string]struct{ Expr, Runbook string } {
	t.Helper()

	text, err := os.ReadFile("prometheus/rules.yaml")
	require.NoError(t, err)

	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}

	require.NoError(t, yaml.Unmarshal(text, &file))

	all := map[string]struct{ Expr, Runbook string }{}

	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = struct{ Expr, Runbook string }{r.Expr, r.Annotations["runbook_url"]}
		}
	}

	require.NotEmpty(t, all)

	return all
}

// expressions returns what the panels and alarms ask for, by their names.
func expressions(t *testing.T) map[string]string {
	t.Helper()

	text, err := os.ReadFile("grafana/jobs.json")
	require.NoError(t, err)

	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}

	require.NoError(t, json.Unmarshal(text, &dashboard))

	all := map[string]string{}

	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all["panel "+p.Title+" "+target.Expr] = target.Expr
		}
	}

	require.Greater(t, len(all), 20)

	for name, r := range rules(t) {
		all["alarm "+name] = r.Expr
	}

	return all
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	named    = regexp.MustCompile(`\b(queue|asynq|imagerun|go|process)_[a-z0-9_]+\b`)
	matchers = regexp.MustCompile(`([a-z_]+)(=~|!=|!~|=)"`)
	grouped  = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	events   = regexp.MustCompile(`event="([a-z_]+)"`)
)

// TestMetrics_NamedAreExported: a panel or an alarm on a name that nobody exports is silent for ever.
func TestMetrics_NamedAreExported(t *testing.T) {
	t.Parallel()

	series, labels := exported(t)
	seen := map[string]bool{}

	docs, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)

	for name, expr := range expressions(t) {
		metrics := named.FindAllString(quoted.ReplaceAllString(expr, `""`), -1)
		require.NotEmpty(t, metrics, name)

		for _, m := range metrics {
			require.Contains(t, series, m, name)
			seen[strings.TrimSuffix(m, "_bucket")] = true
		}

		for _, m := range matchers.FindAllStringSubmatch(expr, -1) {
			require.Contains(t, labels, m[1], name)
		}

		for _, m := range grouped.FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(m[1], ",") {
				require.Contains(t, labels, strings.TrimSpace(label), name)
			}
		}

		for _, m := range events.FindAllStringSubmatch(expr, -1) {
			require.Contains(t, string(docs), "`"+m[1]+"`", name)
		}
	}

	// And the other way: nothing about jobs, requests and payments is exported that no panel shows.
	for m := range series {
		if regexp.MustCompile(`^(queue|asynq|imagerun_http|imagerun_webhooks|imagerun_inbox|imagerun_payments)_`).MatchString(m) && !regexp.MustCompile(`_(bucket|sum|count)$`).MatchString(m) {
			require.Contains(t, seen, m, "no panel shows it")
		}
	}
}

// TestRules_NameWhatIsThere: an alarm about a kind of difference, or of job, that is called otherwise is silent too.
func TestRules_NameWhatIsThere(t *testing.T) {
	t.Parallel()

	require.Contains(t, rules(t)["ImagerunNoPaymentWebhooks"].Expr, `kind="`+string(books.MissedPayment)+`", status="`+string(books.DifferenceRepaired)+`"`)

	dead := regexp.MustCompile(`kind=~"([^"]+)"`).FindStringSubmatch(rules(t)["ImagerunPaymentJobsDead"].Expr)
	require.NotNil(t, dead)

	whole := regexp.MustCompile("^(" + dead[1] + ")$")

	for _, p := range jobs.Kinds().Policies() {
		kind := p.Args.Kind()
		require.Equal(t, p.Queue == "payment" || strings.HasPrefix(kind, "inbox."), whole.MatchString(kind), kind)
	}
}

// runbooks stands for wherever the repository is read; docs/operations.md says so.
const runbooks = "https://imagerun.example/docs/operations.md"

// TestRules_HaveARunbook: whoever is woken finds what to do, by a link to the section of this very alarm.
func TestRules_HaveARunbook(t *testing.T) {
	t.Parallel()

	docs, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)

	require.Contains(t, string(docs), "`"+strings.TrimSuffix(runbooks, "/docs/operations.md")+"`", "what it stands for")

	for name, r := range rules(t) {
		require.Equal(t, runbooks+"#"+strings.ToLower(name), r.Runbook)
		require.Regexp(t, `(?m)^### `+name+`\n\n\S`, string(docs))
	}

	for _, heading := range regexp.MustCompile(`(?m)^### (Imagerun\w+)$`).FindAllStringSubmatch(string(docs), -1) {
		require.Contains(t, rules(t), heading[1])
	}
}

// TestRules_FailureCodes: each code of a failed generation is either its user's or rings, and a new one is to be decided about.
func TestRules_FailureCodes(t *testing.T) {
	t.Parallel()

	theirs := []generation.FailureCode{
		generation.FailurePromptRejected, generation.FailureInvalidRequest, generation.FailureReference, generation.FailureOutputBlocked,
		generation.FailureCanceledByUser, generation.FailureByOperator,
	}

	contract, err := os.ReadFile("../api/openapi.yaml")
	require.NoError(t, err)

	list := regexp.MustCompile(`(?s)\n    FailureCode:\n.*?\n      enum:((?:\n        - \w+)+)\n`).FindStringSubmatch(string(contract))
	require.NotNil(t, list)

	var ours []string

	for code := range strings.FieldsSeq(strings.ReplaceAll(list[1], "-", "")) {
		if !slices.Contains(theirs, generation.FailureCode(code)) {
			ours = append(ours, code)
		}
	}

	ring := regexp.MustCompile(`code=~"([^"]+)"`).FindAllStringSubmatch(rules(t)["ImagerunGenerationsFail"].Expr, -1)
	require.Len(t, ring, 2)

	for _, codes := range ring {
		require.ElementsMatch(t, ours, strings.Split(codes[1], "|"))
	}
}

// TestRules_Promtool has Prometheus itself read the rules and try them, where its tool is installed; the
// expressions are balanced and name known functions everywhere.
func TestRules_Promtool(t *testing.T) {
	t.Parallel()

	for name, expr := range expressions(t) {
		bare := quoted.ReplaceAllString(expr, `""`)
		for _, pair := range []string{"()", "{}", "[]"} {
			require.Equal(t, strings.Count(bare, pair[:1]), strings.Count(bare, pair[1:]), name)
		}

		for _, call := range regexp.MustCompile(`\b([a-z_]+)\(`).FindAllStringSubmatch(bare, -1) {
			require.True(t, slices.Contains([]string{"rate", "increase", "sum", "max", "absent", "histogram_quantile", "time", "min_over_time", "abs"}, call[1]), "%s: %s", name, call[1])
		}
	}

	tool, err := exec.LookPath("promtool")
	if err != nil {
		return
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	for _, args := range [][]string{{"check", "rules", "prometheus/rules.yaml"}, {"test", "rules", "prometheus/rules_test.yaml"}} {
		out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}
