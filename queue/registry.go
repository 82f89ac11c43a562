package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Fence is what a claimed job's transactions test. queue/durable implements it.
type Fence interface {
	Complete(ctx context.Context, tx pgx.Tx) error
	Hold(ctx context.Context, tx pgx.Tx) error
}

// Claimed is a job on its way to a handler whose type is not known yet.
type Claimed struct {
	ID          uuid.UUID
	Args        []byte // JSON
	Attempt     int
	MaxAttempts int
	Snooze      time.Duration // of the kind's policy
	Fence       Fence
}

// Worker is a registered handler without its type.
type Worker interface {
	// Work decodes the arguments and calls the handler; [ErrUndecodable] when they do not fit.
	Work(ctx context.Context, c Claimed) error
	// Dead calls the handler's Dead hook, if it has one.
	Dead(ctx context.Context, tx pgx.Tx, args []byte, code string) error
}

// Registry knows the handler of each kind. It is filled at the start of a process and only read
// afterwards.
type Registry struct {
	kinds   Kinds
	workers map[string]Worker
}

// NewRegistry returns a registry without handlers.
func NewRegistry(kinds Kinds) *Registry {
	return &Registry{kinds: kinds, workers: make(map[string]Worker)}
}

// Register makes h the handler of T's kind. It panics when the kind is not in the table, has other
// arguments there, or has a handler already: mistakes of the program's wiring.
func Register[T Args](r *Registry, h Handler[T]) {
	var zero T

	p, ok := r.kinds.Policy(zero.Kind())
	if !ok {
		panic(fmt.Sprintf("kind %q is not in the table of kinds", zero.Kind()))
	}

	if reflect.TypeFor[T]() != reflect.TypeOf(p.Args) {
		panic(fmt.Sprintf("kind %q has other arguments in the table of kinds", zero.Kind()))
	}

	for _, name := range p.Names() {
		if _, taken := r.workers[name]; taken {
			panic(fmt.Sprintf("kind %q has a handler already", name))
		}

		r.workers[name] = worker[T]{handler: h}
	}
}

// Kinds returns the table that the registry was made for.
func (r *Registry) Kinds() Kinds { return r.kinds }

// Worker returns the handler of a kind, by its name or an alias. The match is exact.
func (r *Registry) Worker(kind string) (Worker, bool) {
	w, ok := r.workers[kind]

	return w, ok
}

// Names returns the kinds that have a handler, and their aliases, sorted.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.workers)) }

type worker[T Args] struct{ handler Handler[T] }

func (w worker[T]) Work(ctx context.Context, c Claimed) error {
	job := &Job[T]{ID: c.ID, Attempt: c.Attempt, MaxAttempts: c.MaxAttempts, fence: c.Fence, snooze: c.Snooze}

	// Unknown fields pass: a newer process may have staged this job.
	if json.Unmarshal(c.Args, &job.Args) != nil {
		return ErrUndecodable
	}

	return w.handler.Handle(ctx, job)
}

func (w worker[T]) Dead(ctx context.Context, tx pgx.Tx, args []byte, code string) error {
	b, ok := w.handler.(Burier[T])
	if !ok {
		return nil
	}

	var a T
	if json.Unmarshal(args, &a) == nil {
		return b.Dead(ctx, tx, a, code)
	}

	return nil // nothing is known of the job's subject; the row itself is the record
}
