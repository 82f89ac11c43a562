package jobs

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/jobs"
	"imagerun/queue/durable"
)

// addChoiceFlags adds the flags that choose jobs.
func (f *flags) addChoiceFlags(c *cobra.Command, limit int) {
	c.Flags().StringVar(&f.kind, "kind", "", "of this kind, such as generation.submit")
	c.Flags().StringVar(&f.queue, "queue", "", "of this queue: "+strings.Join(jobs.Kinds().Queues(), ", "))
	c.Flags().StringVar(&f.state, "state", "", "in this state: "+strings.Join(durable.States(), ", "))
	c.Flags().Var(&f.olderThan, "older-than", "dead for at least this long, or staged so long ago if alive: 90m, 24h, 7d")
	c.Flags().IntVar(&f.limit, "limit", limit, "at most so many, oldest first; 0: all")
}

func (f *flags) addChangeFlags(c *cobra.Command) {
	f.addChoiceFlags(c, 0)
	cli.AddJSONFlag(c.Flags(), &f.json)
	cli.AddOperatorFlag(c.Flags(), &f.operator)
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing, and list the jobs that are meant")
	c.Flags().BoolVar(&f.all, "all", false, "without any other choice: yes, all of them")
}

// buildFilter returns what the flags choose, or says which of them is a slip.
func (f *flags) buildFilter(ids []uuid.UUID) (durable.Filter, error) {
	var kinds []string
	for _, p := range jobs.Kinds().Policies() {
		kinds = append(append(kinds, p.Args.Kind()), p.Aliases...)
	}

	for _, flag := range []struct {
		name, value string
		known       []string
	}{
		{"--kind", f.kind, kinds},
		{"--queue", f.queue, jobs.Kinds().Queues()},
		{"--state", f.state, durable.States()},
	} {
		if flag.value != "" && !slices.Contains(flag.known, flag.value) {
			return durable.Filter{}, cli.Misuse("%s: there is no %q; there are %s", flag.name, flag.value, strings.Join(flag.known, ", "))
		}
	}

	if f.limit < 0 {
		return durable.Filter{}, cli.Misuse("--limit: must not be negative; 0 means all")
	}

	return durable.Filter{
		IDs: ids, Kind: f.kind, Queue: f.queue, State: f.state, OlderThan: time.Duration(f.olderThan), Limit: f.limit,
	}, nil
}

// requireChoice makes sure that an operator who changes jobs has said which.
func (f *flags) requireChoice(c *cobra.Command, ids []uuid.UUID) error {
	flags := slices.DeleteFunc([]string{"kind", "queue", "state", "older-than", "limit"}, func(name string) bool { return !c.Flags().Changed(name) })

	switch {
	case f.all && len(ids) > 0:
		return cli.Misuse("ids or --all: which of them?")
	case len(ids) == 0 && len(flags) == 0 && !f.all && !f.dryRun:
		return cli.Misuse("which jobs? Give ids, --kind, --queue, --state, --older-than or --limit; or --all")
	default:
		return nil
	}
}

func parseIDs(args []string) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, 0, len(args))

	for _, arg := range args {
		// The dashboard shows a job's task, which is its id and a number.
		text, _, _ := strings.Cut(arg, ":")

		id, err := uuid.Parse(text)
		if err != nil {
			return nil, cli.Misuse("%q is not the id of a job: `imagerun jobs list` shows ids in full", arg)
		}

		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}

	return ids, nil
}
