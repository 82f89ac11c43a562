package app

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/config"
	"imagerun/internal/generation/phases"
	"imagerun/internal/jobs"
	"imagerun/internal/providers"
	"imagerun/internal/retention"
	"imagerun/internal/upload"
)

func TestGroupsOf(t *testing.T) {
	t.Parallel()

	groups, err := groupsOf(config.Default().Worker.Queues)
	require.NoError(t, err)
	require.Len(t, groups, len(jobs.Groups()), "a group that no worker serves by default")

	groups, err = groupsOf(config.Queues{"retention": 2})
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.Equal(t, 2, groups[0].Concurrency, "the number is how many jobs run at once")
	require.Greater(t, groups[0].Queues["erasure"], groups[0].Queues["retention"])

	for name, want := range map[string]string{
		"retentoin": `there is no queue group "retentoin"; there are:`,
		"erasure":   "(erasure is a queue of the group retention)",
	} {
		err := CheckQueues(config.Queues{name: 1})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "retention    erasure (weight 4), retention (weight 1)")
	}
}

func TestWorker_HelpExplainsTheGroups(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	c := newCommand(Worker(), nil)
	c.SetOut(&out)
	c.SetArgs([]string{"--help"})
	require.NoError(t, c.ExecuteContext(t.Context()))
	require.Contains(t, out.String(), "  generation   generation\n")
	require.Contains(t, out.String(), "erasure (weight 4)")
}

// TestPolicies_AreForTheHandlersThereAre: every kind has a handler of its own arguments (Register
// sees to that), and every final error is one that a worker of ours can name.
func TestPolicies_AreForTheHandlersThereAre(t *testing.T) {
	t.Parallel()

	domains := new(base).listDomains(new(phases.Service), new(upload.Service), nil, nil)

	purger, err := retention.NewPurger(retention.Options{}, collectClasses(domains)...)
	require.NoError(t, err)

	_, err = registerHandlers(domains, purger)
	require.NoError(t, err)

	known := map[string]bool{}
	for _, class := range []providers.Class{
		providers.Rejected, providers.Transient, providers.Busy, providers.Unknown, providers.Account, providers.Gone, providers.NotReady,
	} {
		known[codeOf(&providers.Error{Class: class})] = true
	}

	for _, p := range jobs.Kinds().Policies() {
		for _, code := range p.Final {
			require.True(t, known[code], "%s ends with %q, which nothing is called", p.Args.Kind(), code)
		}
	}
}
