package picturetest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// SourceTag is the name of the digital source type in what [ExifTool] finds.
const SourceTag = "XMP-iptcExt:DigitalSourceType"

// ExifTool reads the metadata of files with a parser that is not ours: what it finds by group and name, and what it
// finds wrong as ExifTool:Warning or ExifTool:Error. It takes a second, whatever the number of files.
func ExifTool(t testing.TB, files ...[]byte) []map[string]any {
	t.Helper()

	args := []string{"-json", "-G1", "-n", "-validate", "-warning", "-error", "-all"}

	for i, b := range files {
		path := filepath.Join(t.TempDir(), strconv.Itoa(i))
		require.NoError(t, os.WriteFile(path, b, 0o600))

		args = append(args, path)
	}

	out, err := exec.CommandContext(t.Context(), findExifTool(t), args...).Output() //nolint:gosec // our own program and files
	require.NoError(t, err)

	var found []map[string]any

	require.NoError(t, json.Unmarshal(out, &found))
	require.Len(t, found, len(files))

	return found
}

// findExifTool returns the program of the machine, or the one that scripts/deps.sh put into the tree.
func findExifTool(t testing.TB) string {
	t.Helper()

	if path, err := exec.LookPath("exiftool"); err == nil {
		return path
	}

	dir, err := os.Getwd()
	require.NoError(t, err)

	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, ".imagerun", "bin", "exiftool")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}

	require.Fail(t, "exiftool was not found: run scripts/deps.sh, which installs it")

	return ""
}
