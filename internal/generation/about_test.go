package generation_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLog_NamesTheGeneration: a line that names an attempt, an image or a generation names the latter as its owner sees it.
func TestLog_NamesTheGeneration(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("*/*.go")
	require.NoError(t, err)

	raw := regexp.MustCompile(`slog\.\w+\("(generation|attempt|image)_id"`)
	lines := 0

	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}

		text, err := os.ReadFile(file)
		require.NoError(t, err)

		for line := range strings.Lines(string(text)) {
			if raw.MatchString(line) {
				lines++

				require.NotContains(t, line, `("generation_id"`, "%s: call LogID", file)
				require.Contains(t, line, "LogID(", "%s: whose is it?", file)
			}
		}
	}

	require.Greater(t, lines, 4)
}
