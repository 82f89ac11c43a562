package sdkkit_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/sdkkit"
)

func TestRun_PlaysAScenario(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "hello"))))

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	t.Cleanup(server.Close)

	var said bytes.Buffer

	got := sdkkit.Run[struct{ Answered string }](t, sdkkit.Script{Dir: dir, Name: "hello.mjs", Args: []string{server.URL, "hello"}, Stderr: &said})
	require.Equal(t, "hello", got.Answered)
	require.Equal(t, "hello\n", said.String())

	mark, err := os.ReadFile(filepath.Join(dir, "node_modules", ".installed-lock.json"))
	require.NoError(t, err)

	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	require.NoError(t, err)
	require.Equal(t, string(lock), string(mark), "the next run installs nothing")

	_, err = sdkkit.Play(t.Context(), sdkkit.Script{Dir: dir, Name: "hello.mjs", Args: []string{server.URL, "fail"}})
	require.ErrorContains(t, err, "exit status 3: fail")

	_, err = sdkkit.Play(t.Context(), sdkkit.Script{Dir: t.TempDir(), Name: "hello.mjs"})
	require.ErrorIs(t, err, os.ErrNotExist)
}
