package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
)

func nothing[T queue.Args](context.Context, *queue.Job[T]) error { return nil }

type otherCollect struct {
	ID uuid.UUID `json:"id"`
}

func (otherCollect) Kind() string { return "generation.collect" }

func TestRegister_Panics(t *testing.T) {
	t.Parallel()

	reg := queue.NewRegistry(queue.All())
	queue.Register(reg, queue.HandlerFunc[queue.SubmitGeneration](nothing[queue.SubmitGeneration]))

	require.Panics(t, func() {
		queue.Register(reg, queue.HandlerFunc[queue.SubmitGeneration](nothing[queue.SubmitGeneration]))
	}, "twice")
	require.Panics(t, func() {
		queue.Register(reg, queue.HandlerFunc[otherCollect](nothing[otherCollect]))
	}, "whose golden payload is of another type")
	require.Panics(t, func() { queue.Register(reg, queue.HandlerFunc[fineArgs](nothing[fineArgs])) }, "not in the table")
}

func TestRegistry_Worker(t *testing.T) {
	t.Parallel()

	reg := queue.NewRegistry(queue.All())

	var got *queue.Job[queue.SubmitGeneration]

	queue.Register(reg, queue.HandlerFunc[queue.SubmitGeneration](
		func(_ context.Context, job *queue.Job[queue.SubmitGeneration]) error { got = job; return nil }))

	_, ok := reg.Worker("generation.sub")
	require.False(t, ok, "kinds match exactly")

	w, ok := reg.Worker("generation.submit")
	require.True(t, ok)

	id := uuid.New()

	// A field that this program does not know is from a newer one.
	args := fmt.Appendf(nil, `{"task_id":%q,"added_later":1}`, id)
	require.NoError(t, w.Work(t.Context(), queue.Claimed{Args: args, Attempt: 9, MaxAttempts: 10}))
	require.Equal(t, id, got.Args.TaskID)
	require.False(t, got.LastAttempt())

	require.NoError(t, w.Work(t.Context(), queue.Claimed{Args: args, Attempt: 10, MaxAttempts: 10}))
	require.True(t, got.LastAttempt())
	require.Error(t, got.Complete(t.Context(), nil), "a job that nobody claimed cannot be completed")

	require.ErrorIs(t, w.Work(t.Context(), queue.Claimed{Args: []byte(`{"task_id":7}`)}), queue.ErrUndecodable)
}

func TestErrors(t *testing.T) {
	t.Parallel()

	d, ok := queue.SnoozeOf(fmt.Errorf("wait for it: %w", queue.Snooze(time.Minute)))
	require.True(t, ok)
	require.Equal(t, time.Minute, d)

	_, ok = queue.SnoozeOf(errors.New("other"))
	require.False(t, ok)

	cause := errors.New("gone")
	require.True(t, queue.IsCancel(queue.Cancel(cause)))
	require.ErrorIs(t, queue.Cancel(cause), cause)
	require.NoError(t, queue.Cancel(nil))
	require.False(t, queue.IsCancel(cause))
}
