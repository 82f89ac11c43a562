package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/queue/asynqueue"
)

// With this set, TestLogLibraries is the program that it looks at.
const childLogs = "IMAGERUN_TEST_LOGS"

// TestLogLibraries: what go-redis says is a line of the log, each of its texts once in a while, and no password.
func TestLogLibraries(t *testing.T) {
	t.Parallel()

	if os.Getenv(childLogs) != "" {
		logLibraries()

		client, err := asynqueue.Connect("redis://somebody:secret@127.0.0.1:1/0", 1)
		require.NoError(t, err)

		defer client.Close()

		for range 5 {
			require.Error(t, client.Ping(t.Context()).Err(), "there is none")
		}

		require.Error(t, redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{"127.0.0.1:1"}, MaxRetries: -1}).Ping(t.Context()).Err())

		return
	}

	self, err := os.Executable()
	require.NoError(t, err)

	var said bytes.Buffer

	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestLogLibraries$")
	cmd.Env = append(os.Environ(), childLogs+"=1")
	cmd.Stderr = &said
	require.NoError(t, cmd.Run())

	texts := map[string]int{}

	for line := range bytes.Lines(said.Bytes()) {
		var entry struct {
			Time, Level, Msg, Text, Process string
			Suppressed                      *int
		}

		require.NoError(t, json.Unmarshal(line, &entry), "not of the log: %s", line)
		require.NotContains(t, string(line), "secret")
		require.Equal(t, "redis client said", entry.Msg)
		require.Equal(t, "imagerun", entry.Process)
		require.NotNil(t, entry.Suppressed)

		texts[entry.Text]++
	}

	require.Greater(t, len(texts), 1, "one text hides no other: %s", said.String())

	for text, n := range texts {
		require.Equal(t, 1, n, text)
	}
}
