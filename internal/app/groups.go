package app

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"imagerun/internal/config"
	"imagerun/internal/jobs"
	"imagerun/queue/asynqueue"
)

// CheckQueues says what is wrong with worker.queues: every name must be that of a group.
func CheckQueues(queues config.Queues) error {
	_, err := groupsOf(queues)

	return err
}

// groupsOf returns the groups that a worker serves, in the order of the table.
func groupsOf(queues config.Queues) (groups []asynqueue.Group, err error) {
	served := maps.Clone(queues)

	for _, g := range jobs.Groups() {
		if n, ok := served[g.Name]; ok {
			delete(served, g.Name)

			groups = append(groups, asynqueue.Group{Name: g.Name, Queues: g.Queues, Concurrency: n})
		}
	}

	if len(served) == 0 {
		return groups, nil
	}

	name, hint := slices.Min(slices.Collect(maps.Keys(served))), ""

	for _, g := range jobs.Groups() {
		if _, inside := g.Queues[name]; inside {
			hint = fmt.Sprintf(" (%s is a queue of the group %s)", name, g.Name)
		}
	}

	return nil, fmt.Errorf("worker.queues: there is no queue group %q%s; there are:\n%s", name, hint, describeGroups())
}

// describeGroups lists the groups with their queues, a line each.
func describeGroups() string {
	var b strings.Builder

	for _, g := range jobs.Groups() {
		names := slices.SortedFunc(maps.Keys(g.Queues), func(x, y string) int {
			return cmp.Or(g.Queues[y]-g.Queues[x], strings.Compare(x, y))
		})

		for i, q := range names {
			if len(names) > 1 {
				names[i] = fmt.Sprintf("%s (weight %d)", q, g.Queues[q])
			}
		}

		fmt.Fprintf(&b, "  %-12s %s\n", g.Name, strings.Join(names, ", "))
	}

	return strings.TrimSuffix(b.String(), "\n")
}
