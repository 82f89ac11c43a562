package migrations_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

// TestStatements_BearNewColumns prepares every statement of the processes, gives every table the columns that any
// other has, and prepares them again: each must mean what it did, for it is what the release before sends.
func TestStatements_BearNewColumns(t *testing.T) {
	t.Parallel()

	url, _, owner := devtest.PostgresURLs(t)

	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)

	defer conn.Close(t.Context())

	// What must be found, whatever else is.
	star, ambiguous := "select * from job", "select action from job join job_audit on operator = kind"
	before := map[string]*pgconn.StatementDescription{}

	for _, sql := range append(statements(t), star, ambiguous) {
		d, err := conn.Prepare(t.Context(), "", sql)
		if strings.HasPrefix(sql, "-- name: ") {
			require.NoError(t, err, sql)
		}

		// A string that is no statement, or a part of one, is not sent as it is.
		if err == nil {
			before[sql] = d
		}
	}

	require.Greater(t, len(before), 180, "too few to judge")
	devtest.AddColumns(t, devtest.Pool(t, owner))

	var broken []string

	for sql, was := range before {
		is, err := conn.Prepare(t.Context(), "", sql)
		if err != nil || !slices.Equal(was.ParamOIDs, is.ParamOIDs) || !slices.Equal(columnsOf(was), columnsOf(is)) {
			broken = append(broken, sql)
		}
	}

	require.ElementsMatch(t, []string{star, ambiguous}, broken)
}

func columnsOf(d *pgconn.StatementDescription) (names []string) {
	for _, f := range d.Fields {
		names = append(names, f.Name)
	}

	return names
}

var statement = regexp.MustCompile(`(?is)^\s*(--[^\n]*\n\s*)*(select|insert|update|delete|with)\s`)

// statements returns the strings of the product's code that begin as a statement does, those of generated code too.
func statements(t *testing.T) (all []string) {
	t.Helper()

	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "bench" || strings.HasPrefix(d.Name(), ".") && path != root):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}

		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}

		ast.Inspect(f, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && statement.MatchString(text) {
					all = append(all, text)
				}
			}

			return true
		})

		return nil
	})
	require.NoError(t, err)

	return all
}
