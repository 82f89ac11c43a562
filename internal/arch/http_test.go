package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// callers are the packages that make an HTTP client of their own, and why outbound would not do.
var callers = []struct{ packages, because string }{
	{"*test", "tests call us, not vendors"},
	{"internal/outbound", "it is how vendors are called"},
	{"internal/auth/proxy", "it passes a person's exchange on to a service of ours, as it is"},
	{"internal/simulators/...", "a simulator is a vendor, and shares nothing with us"},
	{"internal/devstack", "it asks the servers that it starts whether they are up"},
	{"cmd/imagerun/...", "the demo is a user"},
}

// judgeCaller returns what in a file is an HTTP client of its own, or what one is made of.
func judgeCaller(f *ast.File) (wrong []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		c, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}

		if s, ok := c.Type.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "http" && (s.Sel.Name == "Client" || s.Sel.Name == "Transport") {
				wrong = append(wrong, "http."+s.Sel.Name)
			}
		}

		return true
	})

	return wrong
}

// TestVendors_AreCalledByOutbound has every call of a vendor end in time, say whether it was sent, and quote nothing.
func TestVendors_AreCalledByOutbound(t *testing.T) {
	t.Parallel()

	allowed := make([]string, len(callers))
	for i, c := range callers {
		allowed[i] = c.packages
	}

	for _, p := range packages(t) {
		if matchesAny(allowed, p.name()) {
			continue
		}

		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			require.NoError(t, err)

			for _, wrong := range judgeCaller(f) {
				t.Errorf("%s/%s makes an %s: a vendor is called by internal/outbound", p.name(), file, wrong)
			}
		}
	}
}

// The judge must be able to find guilt.
func TestJudgeCaller(t *testing.T) {
	t.Parallel()

	for text, want := range map[string][]string{
		"var c = &http.Client{Transport: &http.Transport{}}": {"http.Client", "http.Transport"},
		"var c = outbound.New(outbound.Options{})":           nil,
		"func f(c *http.Client) http.Header { return nil }":  nil,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package vendor\n"+text, parser.SkipObjectResolution)
		require.NoError(t, err)
		require.Equal(t, want, judgeCaller(f), text)
	}
}
