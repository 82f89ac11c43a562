// Package sdkkit has a vendor's own npm client play a scenario against a simulator, in a Go test.
//
// The client lives in a folder of its own: a package.json with exact versions, its committed package-lock.json,
// and a script for Node that plays the scenario it is called with and prints what came of it as JSON. A folder
// called sdktest below a simulator is found by scripts/deps.sh.
package sdkkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// timeout is how long a script may take, on a busy machine too.
const timeout = time.Minute

// Script is one run of a script.
type Script struct {
	Dir  string   // the folder; relative to that of the test
	Name string   // of the file in it, such as "sdk.mjs"
	Args []string // such as the simulator's address, a key and the scenario's name
	// Stderr gets what the script says meanwhile, as it says it. Nil: it is only shown if the script fails.
	Stderr io.Writer
}

// Run installs what the folder needs, runs the script and returns what it printed. The test ends if one of
// these fails.
func Run[T any](t *testing.T, s Script) T {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()

	var out T

	text, err := Play(ctx, s)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}

	if err != nil {
		t.Fatalf("run %s: %v\n%s", s.Name, err, text)
	}

	return out
}

// Play installs what the folder needs, runs the script and returns what it printed. The error of a script that
// failed has what it said.
func Play(ctx context.Context, s Script) ([]byte, error) {
	if err := Install(ctx, s.Dir); err != nil {
		return nil, err
	}

	var printed, said bytes.Buffer

	node := exec.CommandContext(ctx, "node", append([]string{filepath.Base(s.Name)}, s.Args...)...)
	node.Dir, node.Stdout, node.Stderr = s.Dir, &printed, &said

	if s.Stderr != nil {
		node.Stderr = io.MultiWriter(&said, s.Stderr)
	}

	if err := node.Run(); err != nil {
		return printed.Bytes(), fmt.Errorf("%w: %s", err, said.String())
	}

	return printed.Bytes(), nil
}
