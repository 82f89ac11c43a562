package arch_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocs_NameRealTests holds the documents to their word: every test that they name is there.
func TestDocs_NameRealTests(t *testing.T) {
	t.Parallel()

	root := filepath.Join("..", "..")
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+|Fuzz\w+)\(`)

	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}

		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "node_modules") {
			return filepath.SkipDir
		}

		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}

		source, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(source, -1) {
			declared[string(m[1])] = true
		}

		return err
	})
	require.NoError(t, err)

	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, documents)

	named := regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`)

	for _, document := range documents {
		text, err := os.ReadFile(document)
		require.NoError(t, err)

		for _, name := range named.FindAllString(string(text), -1) {
			require.True(t, declared[name], "%s names %s, which is not there", filepath.Base(document), name)
		}
	}
}
