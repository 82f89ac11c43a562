package authtest_test

import (
	"bufio"
	"encoding/json"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/authtest"
	"imagerun/internal/devstack/devtest"
)

// misbehave does, at a first signal, all that Node and libraries print for, and at a second one what ends a process.
const misbehave = `
let signals = 0;
process.on("SIGUSR2", () => {
  if (signals++) throw Object.assign(new Error("canary"), { code: "E_CANARY".slice(0, 1) });
  process.emitWarning("canary", "DeprecationWarning");
  console.error("canary", new TypeError("canary"));
  console.table(["canary"]);
  process.stdout.write("canary\n");
  process.stderr.write(Buffer.from("canary\n"), () => process.stdout.write("canary"));
  new console.Console(process.stderr).log("canary");
  Promise.reject(new RangeError("canary"));
  setImmediate(() => { const { promise, reject } = Promise.withResolvers?.() ?? {}; reject?.("canary"); promise; });
  setTimeout(() => process.emitWarning("the last"), 50);
});
`

// unresolvable has an import fail before any line of the service runs.
const unresolvable = `
import { register } from "node:module";
register("data:text/javascript," + encodeURIComponent(
  'export async function resolve(s, c, next) { if (s === "better-auth") throw new Error("canary"); return next(s, c); }'));
`

// start runs the service with a script of the test's before it, both outputs in one.
func start(t *testing.T, script string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()

	_, authURL, _ := devtest.PostgresURLs(t)

	cmd := authtest.Command(t, "server.mjs")
	cmd.Env = append(cmd.Env, "DATABASE_URL="+authURL, "BETTER_AUTH_URL=http://localhost", "BETTER_AUTH_SECRET=0123456789abcdef0123456789abcdef",
		"PORT=0", "OPS_PORT=0", "NODE_OPTIONS=--import=data:text/javascript,"+url.PathEscape(script))

	out, err := cmd.StdoutPipe()
	require.NoError(t, err)

	cmd.Stderr = cmd.Stdout // of a pipe's writing end there is one
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	return cmd, bufio.NewScanner(out)
}

// parse demands that a line is ours, and returns its message.
func parse(t *testing.T, text string) (msg string) {
	t.Helper()

	var line struct{ Time, Level, Msg, Error, At string }

	require.NoError(t, json.Unmarshal([]byte(text), &line), text)
	require.NotEmpty(t, line.Time, text)
	require.NotContains(t, strings.ToLower(text), "canary")

	return line.Msg
}

// Whatever prints, and however the process ends: its last words are a line of JSON too.
func TestService_LogsNothingButJSON_WhateverHappens(t *testing.T) {
	t.Parallel()

	cmd, lines := start(t, misbehave)
	seen := map[string]int{}

	for lines.Scan() {
		msg := parse(t, lines.Text())
		seen[msg]++

		if msg == "listening" || msg == "node warned" && seen[msg] == 2 {
			require.NoError(t, cmd.Process.Signal(syscall.SIGUSR2))
		}
	}

	exit := &exec.ExitError{}
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Equal(t, 2, seen["node warned"])
	require.GreaterOrEqual(t, seen["a library printed"], 6)
	require.GreaterOrEqual(t, seen["background task failed"], 1)
	require.Equal(t, 1, seen["ended by an exception that nothing caught"])
}

func TestService_LogsNothingButJSON_WhenItCannotStart(t *testing.T) {
	t.Parallel()

	cmd, lines := start(t, unresolvable)
	seen := map[string]int{}

	for lines.Scan() {
		seen[parse(t, lines.Text())]++
	}

	exit := &exec.ExitError{}
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Equal(t, map[string]int{"ended by an exception that nothing caught": 1}, seen)
}
