package arch_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// maxOneWord is how many of a hundred unexported functions and methods may have a name of one word.
const maxOneWord = 5

// oneWordMethods are methods whose receiver supplies the object. They may have one word, and are not counted as such.
var oneWordMethods = strings.Fields("add close do each end get has kill len lock next open read reset run set start stop unlock wait write")

// judgeNames returns how many unexported functions and methods a file has, and those whose names do not say what they do
// to what.
func judgeNames(f *ast.File) (all int, oneWord []string) {
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Name.IsExported() || slices.Contains([]string{"main", "init", "_"}, fn.Name.Name) {
			continue
		}

		all++

		name := fn.Name.Name
		if strings.ContainsFunc(name, unicode.IsUpper) || fn.Recv != nil && slices.Contains(oneWordMethods, name) {
			continue
		}

		oneWord = append(oneWord, name)
	}

	return all, oneWord
}

// TestNames_AreVerbsAndObjects has the unexported functions found by who searches for what they do.
func TestNames_AreVerbsAndObjects(t *testing.T) {
	t.Parallel()

	all, found := 0, 0
	offenders := map[string][]string{}

	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.SkipObjectResolution)
			require.NoError(t, err)

			if ast.IsGenerated(f) {
				continue
			}

			n, oneWord := judgeNames(f)
			all += n
			found += len(oneWord)
			offenders[p.name()] = append(offenders[p.name()], oneWord...)
		}
	}

	require.Greater(t, all, 1000, "too few to judge")

	var lines strings.Builder

	for _, name := range slices.Sorted(maps.Keys(offenders)) {
		if names := offenders[name]; len(names) > 0 {
			slices.Sort(names)
			fmt.Fprintf(&lines, "\n%4d %s: %s", len(names), name, strings.Join(names, " "))
		}
	}

	t.Logf("%d of %d unexported functions and methods have one word, %.1f %%; %d %% may:%s",
		found, all, 100*float64(found)/float64(all), maxOneWord, lines.String())
	require.LessOrEqual(t, 100*found, maxOneWord*all, "name a function by its verb and its object (CONTRIBUTING.md, Words)")
}

// The judge must be able to find guilt.
func TestJudgeNames(t *testing.T) {
	t.Parallel()

	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
		func main()            {}
		func Exported()        {}
		func expireHolds()     {}
		func look()            {}
		func close()           {}
		func (q *queue) close() {}
		func (q *queue) mark()  {}`, parser.SkipObjectResolution)
	require.NoError(t, err)

	all, oneWord := judgeNames(f)
	require.Equal(t, 5, all)
	require.Equal(t, []string{"look", "close", "mark"}, oneWord)
}
