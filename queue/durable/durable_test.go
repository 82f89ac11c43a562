package durable_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/queue/durable"
)

func TestParseName(t *testing.T) {
	t.Parallel()

	want := durable.Task{ID: uuid.New(), Epoch: 12}
	id, epoch, err := durable.ParseName(want.Name())
	require.NoError(t, err)
	require.Equal(t, want, durable.Task{ID: id, Epoch: epoch})

	for _, bad := range []string{"", "x:1", uuid.NewString(), uuid.NewString() + ":", uuid.NewString() + ":99999999999"} {
		_, _, err := durable.ParseName(bad)
		require.Error(t, err, bad)
	}
}
