package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/picture"
	"imagerun/internal/providers"
	"imagerun/internal/providers/fal"
	"imagerun/internal/redact"
)

// childGoroutines is how this program is called to be the other way of doing it: a goroutine for each
// image, from the request to its end.
const childGoroutines = "goroutine-per-image"

const (
	childCalls = 64               // requests under way: what our worker's slots are
	childPause = 30 * time.Second // between looks: as our worker does where callbacks may be lost
)

// inflightGoroutines has a program with a goroutine per image follow as many. It keeps nothing: no
// database, no bucket, nothing survives it.
func inflightGoroutines(ctx context.Context, o options, dir string) (figures, error) {
	sim, err := newSimulator(ctx, o.jobs)
	if err != nil {
		return nil, err
	}
	defer sim.close()

	pause := childPause
	if o.quick {
		pause = 2 * time.Second
	}

	p, err := startProgram(dir, "bench", nil, childGoroutines, sim.url, strconv.Itoa(o.jobs), pause.String())
	if err != nil {
		return nil, err
	}
	defer p.stop()

	said := func(word string) func() (bool, error) {
		return func() (bool, error) { return strings.Contains(p.out.String(), word), nil }
	}

	f, began := figures{"accepted": float64(o.jobs)}, time.Now()

	if err := waitWithin(ctx, simTakes, 100*time.Millisecond, said("submitted")); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.readTail())
	}

	f["handed_over_s"], f["running_most"], f["slots_held"] = time.Since(began).Seconds(), float64(o.jobs), float64(o.jobs)

	rest := time.NewTimer(5 * time.Second)
	defer rest.Stop()

	select {
	case <-rest.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}

	if f["rss_running_mb"], err = p.readMemory("VmRSS"); err != nil {
		return nil, err
	}

	began = time.Now()

	sim.finishAll()

	if err := waitWithin(ctx, 15*time.Minute, 100*time.Millisecond, said("done ")); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.readTail())
	}

	f["collected_s"] = time.Since(began).Seconds()
	_, number, _ := strings.Cut(p.out.String(), "done ")

	if f["succeeded"], err = strconv.ParseFloat(strings.TrimSpace(number), 64); err != nil {
		return nil, err
	}

	f["rss_peak_mb"], err = p.readMemory("VmHWM")

	return f, err
}

// runGoroutines is the child. It stays until its input ends, so that its memory can be read.
func runGoroutines(ctx context.Context, base, number, pause string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}

	every, err := time.ParseDuration(pause)
	if err != nil {
		return err
	}

	client := fal.New(fal.Options{
		Key: redact.NewSecret(simKey), QueueURL: base + "/queue", APIURL: base + "/v1", MediaHosts: []string{"127.0.0.1"}, AllowPrivateMedia: true,
	})

	var (
		pictures  = picture.NewOpener(picture.Limits{}, 2)
		calls     = make(chan struct{}, childCalls)
		submitted sync.WaitGroup
		ended     sync.WaitGroup
		good      atomic.Int64
	)

	submitted.Add(n)

	for range n {
		ended.Go(func() {
			var ticket providers.Ticket

			err := callInSlot(calls, func() (err error) {
				ticket, err = client.Submit(ctx, childRequest())

				return err
			})

			submitted.Done()

			if err == nil && collectImage(ctx, client, pictures, calls, ticket, every) == nil {
				good.Add(1)
			}
		})
	}

	submitted.Wait()
	fmt.Fprintln(os.Stdout, "submitted")
	ended.Wait()
	fmt.Fprintln(os.Stdout, "done", good.Load())

	_, err = io.Copy(io.Discard, os.Stdin)

	return err
}

func childRequest() providers.Request {
	return providers.Request{
		AttemptID: uuid.New(), Endpoint: "fal-ai/z-image/turbo", KeepFor: time.Hour,
		Input: json.RawMessage(`{"prompt":"a red fox","image_size":{"width":256,"height":256},"num_images":1,"output_format":"jpeg"}`),
	}
}

// collectImage waits for one image, the way it is written when nothing else has to be thought of.
func collectImage(ctx context.Context, client *fal.Client, pictures *picture.Opener, calls chan struct{}, ticket providers.Ticket, every time.Duration) error {
	for done := false; !done; {
		pause := time.NewTimer(time.Duration((0.5 + rand.Float64()) * float64(every))) //nolint:gosec // jitter

		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}

		err := callInSlot(calls, func() error {
			status, err := client.Poll(ctx, ticket)
			done = err == nil && status.State == providers.StateDone

			return err
		})
		if err != nil && providers.ClassOf(err) != providers.Transient {
			return err
		}
	}

	return callInSlot(calls, func() error {
		result, err := client.Fetch(ctx, ticket)
		if err != nil {
			return err
		}

		body, err := client.Download(ctx, result.Images[0].URL, 32<<20)
		if err != nil {
			return err
		}

		_, _, err = pictures.Open(ctx, body)

		return err
	})
}

func callInSlot(calls chan struct{}, fn func() error) error {
	calls <- struct{}{}
	defer func() { <-calls }()

	return fn()
}
