package asynqueue_test

import (
	"crypto/sha256"
	"encoding/hex"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asynqIs says how the parts of asynq that format.go goes by were when it was written: scripts by which tasks move, keys,
// what a task consists of, and who takes and pushes one.
var asynqIs = map[string]string{
	"dequeueCmd":          "875b369e",
	"enqueueCmd":          "db7bc4c2",
	"scheduleCmd":         "2e55dca9",
	"doneCmd":             "6362421d",
	"retryCmd":            "2d71856c",
	"requeueCmd":          "fec7301c",
	"archiveCmd":          "90111085",
	"forwardCmd":          "497a6039",
	"listLeaseExpiredCmd": "5bf2be72",
	"ActiveKey":           "3f9902cf",
	"ArchivedKey":         "b067e333",
	"LeaseKey":            "f948273b",
	"PausedKey":           "b527aefc",
	"PendingKey":          "353dae2d",
	"ProcessedKey":        "f11800a3",
	"ProcessedTotalKey":   "1c00e454",
	"QueueKeyPrefix":      "5ab12ba3",
	"RetryKey":            "43c25821",
	"ScheduledKey":        "421594ea",
	"TaskKey":             "1bf1aef5",
	"TaskKeyPrefix":       "b0c3ba97",
	"EncodeMessage":       "4bdf302d",
	"Dequeue":             "84729c02",
	"Enqueue":             "5e9f64d3",
	"Schedule":            "761503f2",
	"TaskMessage":         "3a6bef5c",
	"AllQueues":           "eb3bc01c",
}

// TestFormat_IsStillAsynqs: what format.go knows of asynq's private format is so in the asynq that is built in. When
// this fails after an upgrade, compare what it names with format.go, and then put the new sum here.
func TestFormat_IsStillAsynqs(t *testing.T) {
	t.Parallel()

	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/hibiken/asynq").Output()
	require.NoError(t, err)

	all, found := map[string]string{}, map[string]string{}

	for _, file := range []string{"internal/rdb/rdb.go", "internal/base/base.go"} {
		sumParts(t, filepath.Join(strings.TrimSpace(string(out)), file), all)
	}

	for name := range asynqIs {
		found[name] = all[name]
	}

	require.Equal(t, asynqIs, found)
}

// sumParts adds what a file declares.
func sumParts(t *testing.T, path string, found map[string]string) {
	t.Helper()

	source, err := os.ReadFile(path)
	require.NoError(t, err)

	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	require.NoError(t, err)

	add := func(name *ast.Ident, n ast.Node) {
		sum := sha256.Sum256(source[files.Position(n.Pos()).Offset:files.Position(n.End()).Offset])
		found[name.Name] = hex.EncodeToString(sum[:4])
	}

	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			add(n.Name, n)

			return false
		case *ast.ValueSpec:
			add(n.Names[0], n)
		case *ast.TypeSpec:
			add(n.Name, n)
		}

		return true
	})
}
