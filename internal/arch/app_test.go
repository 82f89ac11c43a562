package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// judgeWiring returns what in a file of app belongs to a domain: the handler of a job, by its parameter, or its registration.
func judgeWiring(f *ast.File) (wrong []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}

		if x, ok := s.X.(*ast.Ident); ok && x.Name == "queue" {
			switch s.Sel.Name {
			case "Job", "Handler", "HandlerFunc", "Register":
				wrong = append(wrong, "queue."+s.Sel.Name)
			}
		}

		return true
	})

	return wrong
}

// TestApp_HandlesNoJobs has every handler live in its domain, which registers it.
func TestApp_HandlesNoJobs(t *testing.T) {
	t.Parallel()

	judged := 0

	for _, p := range packages(t) {
		if p.name() != "internal/app" {
			continue
		}

		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			require.NoError(t, err)

			judged++

			for _, wrong := range judgeWiring(f) {
				t.Errorf("internal/app/%s uses %s: the handler of a job belongs to its domain's Register", file, wrong)
			}
		}
	}

	require.Greater(t, judged, 5, "too few to judge")
}

// The judge must be able to find guilt.
func TestJudgeWiring(t *testing.T) {
	t.Parallel()

	for text, want := range map[string][]string{
		"func (b *base) purge(_ *queue.Job[jobs.PurgeAuth]) error { return nil }":               {"queue.Job"},
		"func (b *base) f(r *queue.Registry) { queue.Register(r, x) }":                          {"queue.Register"},
		"var h = queue.HandlerFunc[jobs.PurgeAuth](nil)":                                        {"queue.HandlerFunc"},
		"func (b *base) f() *queue.Registry { r := queue.NewRegistry(jobs.Kinds()); return r }": nil,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package app\n"+text, parser.SkipObjectResolution)
		require.NoError(t, err)
		require.Equal(t, want, judgeWiring(f), text)
	}
}
