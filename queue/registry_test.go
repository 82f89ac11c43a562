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

type otherReceipt struct {
	ID uuid.UUID `json:"id"`
}

func (otherReceipt) Kind() string { return "email.send_receipt" }

func TestRegister_Panics(t *testing.T) {
	t.Parallel()

	reg := queue.NewRegistry(kinds())
	queue.Register(reg, queue.HandlerFunc[SendReceipt](nothing[SendReceipt]))

	require.Panics(t, func() {
		queue.Register(reg, queue.HandlerFunc[SendReceipt](nothing[SendReceipt]))
	}, "twice")
	require.Panics(t, func() {
		queue.Register(reg, queue.HandlerFunc[otherReceipt](nothing[otherReceipt]))
	}, "whose golden payload is of another type")
	require.Panics(t, func() { queue.Register(reg, queue.HandlerFunc[fineArgs](nothing[fineArgs])) }, "not in the table")
}

func TestRegistry_Worker(t *testing.T) {
	t.Parallel()

	reg := queue.NewRegistry(kinds())

	var got *queue.Job[SendReceipt]

	queue.Register(reg, queue.HandlerFunc[SendReceipt](
		func(_ context.Context, job *queue.Job[SendReceipt]) error { got = job; return nil }))

	_, ok := reg.Worker("email.send")
	require.False(t, ok, "kinds match exactly")

	w, ok := reg.Worker("email.send_receipt")
	require.True(t, ok)

	id := uuid.New()

	// A field that this program does not know is from a newer one.
	args := fmt.Appendf(nil, `{"payment_id":%q,"added_later":1}`, id)
	require.NoError(t, w.Work(t.Context(), queue.Claimed{Args: args, Attempt: 9, MaxAttempts: 10}))
	require.Equal(t, id, got.Args.PaymentID)
	require.False(t, got.LastAttempt())

	require.NoError(t, w.Work(t.Context(), queue.Claimed{Args: args, Attempt: 10, MaxAttempts: 10}))
	require.True(t, got.LastAttempt())
	require.Error(t, got.Complete(t.Context(), nil), "a job that nobody claimed cannot be completed")

	require.ErrorIs(t, w.Work(t.Context(), queue.Claimed{Args: []byte(`{"payment_id":7}`)}), queue.ErrUndecodable)
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
