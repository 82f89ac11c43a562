// Command bench measures the durable queue beside its peers: bare asynq, on whose engine it runs,
// and River, which has its guarantees. It starts private servers, runs every system in each round
// and compares medians. docs/benchmarks.md says what each bench means.
//
// It is a module of its own, so that the product does not depend on the peers.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"imagerun/internal/devstack"
)

// bench is one comparison.
type bench struct {
	name string
	aim  string
	jobs int // of each system in each round, unless the flag says otherwise
	// roundsOf is how many rounds it has unless the flag says otherwise. Zero: 3.
	roundsOf int
	// round measures every system once.
	round func(ctx context.Context, s *servers, o options) (map[string]figures, error)
	// delayed: one more round with a millisecond of network between client and stores.
	delayed bool
	// judge computes the ratios, and whether the aim is met, from the medians and, if there is one, from the
	// delayed round.
	judge func(m, far map[string]figures) (ratios map[string]float64, met bool)
}

func allBenches() []bench {
	return []bench{acceptBench(), startBench(), workBench(), enqueueBench(), redisBench(), fairBench(), inflightBench()}
}

// options are the flags of a run.
type options struct {
	rounds, jobs, concurrency int
	quick                     bool
	dir                       string // of the results
	profile                   string // file; empty: none
	out                       io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	if len(os.Args) == 5 && os.Args[1] == childGoroutines {
		if err := runGoroutines(ctx, os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1) //nolint:gocritic // stop only frees the signal
		}

		return
	}

	if err := runBenches(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // stop only frees the signal
	}
}

func runBenches(ctx context.Context, args []string, out io.Writer) error {
	o := options{out: out}

	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.rounds, "rounds", 0, "rounds, of which the median counts; 0: the bench's own number, mostly 3")
	flags.IntVar(&o.jobs, "jobs", 0, "jobs of each system in each round; 0: the bench's own number")
	flags.IntVar(&o.concurrency, "concurrency", 100, "jobs at once of a worker: ours and bare asynq")
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of this process here")
	flags.BoolVar(&o.quick, "quick", false, "one small round: does it run at all?")
	flags.StringVar(&o.dir, "dir", "", "where the JSON goes; empty: bench/results of the repository")
	flags.Usage = func() {
		fmt.Fprintln(out, "usage: bench [flags] "+strings.Join(benchNames(), "|")+" …")
		flags.PrintDefaults()
	}

	if err := flags.Parse(args); err != nil {
		return err
	}

	if o.dir == "" {
		root, err := devstack.Root()
		if err != nil {
			return err
		}

		o.dir = filepath.Join(root, "bench", "results")
	}

	if o.quick {
		o.rounds = 1
	}

	chosen, err := chooseBenches(flags.Args())
	if err != nil {
		return err
	}

	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()

		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}

	for _, b := range chosen {
		if err := b.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}

	return nil
}

func benchNames() (all []string) {
	for _, b := range allBenches() {
		all = append(all, b.name)
	}

	return all
}

// chooseBenches returns the named benches, or all when none is named.
func chooseBenches(args []string) ([]bench, error) {
	if len(args) == 0 {
		return allBenches(), nil
	}

	var chosen []bench

	for _, a := range args {
		i := slices.Index(benchNames(), a)
		if i < 0 {
			return nil, errors.New("there is no bench " + a + "; there are " + strings.Join(benchNames(), ", "))
		}

		chosen = append(chosen, allBenches()[i])
	}

	return chosen, nil
}

func (b bench) run(ctx context.Context, o options) error {
	if o.rounds == 0 {
		o.rounds = cmp.Or(b.roundsOf, 3)
	}

	if o.jobs == 0 {
		o.jobs = b.jobs
	}

	if o.quick {
		o.jobs = min(o.jobs, max(b.jobs/50, 20))
	}

	s, err := startServers(ctx)
	if err != nil {
		return err
	}
	defer s.stop()

	r := result{Name: b.name, Aim: b.aim, Rounds: o.rounds, Jobs: o.jobs, Concurrency: o.concurrency, Machine: s.describeMachine(ctx), At: time.Now().UTC()}

	var rounds []map[string]figures

	for i := range o.rounds {
		fmt.Fprintf(o.out, "%s: round %d of %d\n", b.name, i+1, o.rounds)

		figures, err := b.round(ctx, s, o)
		if err != nil {
			return err
		}

		rounds = append(rounds, figures)
	}

	if b.delayed {
		fmt.Fprintf(o.out, "%s: a round with 1 ms of network\n", b.name)

		far, err := s.withDelay(time.Millisecond)
		if err != nil {
			return err
		}
		defer far.stop()

		if r.Delayed, err = b.round(ctx, far.servers, o); err != nil {
			return err
		}
	}

	r.summarizeRounds(rounds, b.judge)
	r.printResult(o.out)

	return r.write(o.dir)
}
