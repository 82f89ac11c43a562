package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGoroutinesAreCounted demands of every package with tests that starts goroutines, or has
// others start them by serving or calling over HTTP, that its tests fail when one is left behind.
func TestGoroutinesAreCounted(t *testing.T) {
	t.Parallel()

	judged := 0

	for _, p := range packages(t) {
		tests := slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		starts, counts := false, false

		for _, file := range slices.Concat(p.GoFiles, tests) {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			require.NoError(t, err)

			starts = starts || startsGoroutines(f) || slices.Contains(imports(t, p, file), "net/http")
			counts = counts || countsGoroutines(f)
		}

		if len(tests) == 0 || !starts {
			continue
		}

		judged++

		if !counts {
			t.Errorf("%s starts goroutines: its TestMain must be devtest.Main or goleak.VerifyTestMain", p.name())
		}
	}

	require.Greater(t, judged, 10, "too few to judge")
}

// startsGoroutines finds the go statement and the Go of a WaitGroup or the like.
func startsGoroutines(f *ast.File) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" {
				found = true
			}
		}

		return !found
	})

	return found
}

// countsGoroutines finds a TestMain that calls what looks for them.
func countsGoroutines(f *ast.File) (found bool) {
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "TestMain" {
			continue
		}

		ast.Inspect(fn, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok {
					name := x.Name + "." + s.Sel.Name
					found = found || name == "devtest.Main" || name == "goleak.VerifyTestMain"
				}
			}

			return true
		})
	}

	return found
}
