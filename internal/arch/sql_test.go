package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unnamed finds SQL that leaves the columns to the table. It works until the next release adds one, while this
// release still runs.
var unnamed = []struct {
	pattern *regexp.Regexp
	because string
}{
	{regexp.MustCompile(`(?i)\bselect\s+(all\s+|distinct\s+)?(\w+\.)?\*|,\s*\w+\.\*`), "selects *"},
	{regexp.MustCompile(`(?i)\breturning\s+(\w+\.)?\*`), "returns *"},
	{regexp.MustCompile(`(?i)\binsert\s+into\s+[\w."]+\s+(as\s+\w+\s+)?(overriding\s+\w+\s+value\s+)?(values|select|table|with)\b`), "inserts without naming columns"},
	{regexp.MustCompile(`(?i)\brow_to_json\s*\(`), "makes JSON of whatever the row has"},
	{regexp.MustCompile(`(?i)\bcopy\s+[\w."]+\s+(from|to)\b`), "copies without naming columns"},
}

// judgeSQL returns what is wrong with a string literal, which need not be SQL.
func judgeSQL(text string) string {
	for _, u := range unnamed {
		if found := u.pattern.FindString(text); found != "" {
			return u.because + " (" + strings.Join(strings.Fields(found), " ") + ")"
		}
	}

	return ""
}

// TestSQL_NamesItsColumns reads every string of ours, those of generated code too: sqlc writes the columns of a * out.
func TestSQL_NamesItsColumns(t *testing.T) {
	t.Parallel()

	judged := 0

	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			require.NoError(t, err)

			ast.Inspect(f, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}

				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)

				judged++

				if wrong := judgeSQL(text); wrong != "" {
					t.Errorf("%s/%s %s: a column more would break it while it runs", p.name(), file, wrong)
				}

				return true
			})
		}
	}

	require.Greater(t, judged, 1000, "too few to judge")
}

// The judge must be able to find guilt.
func TestJudgeSQL(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"select * from ai_task where %s":                                           "selects *",
		"select distinct t.* from ai_task t":                                       "selects *",
		"select u.ref,\n\tt.* from ai_task t":                                      "selects *",
		"with gone as (delete from job returning *) select":                        "returns *",
		"update job j set wake = true returning j.*":                               "returns *",
		"insert into job values ($1)":                                              "without naming columns",
		"insert into public.job select id from job":                                "without naming columns",
		"select row_to_json(t) from ai_task t":                                     "makes JSON",
		"copy job from stdin":                                                      "copies without naming columns",
		"select count(*), count(t.*) from ai_task t":                               "",
		"select exists (select from job)":                                          "",
		"insert into job (kind) select kind from job returning id, kind":           "",
		"insert into job default values":                                           "",
		"select a * b, 2 * 3 from numbers":                                         "",
		"update job set attempt = attempt * 2 where id in (select id from others)": "",
	} {
		got := judgeSQL(text)
		if want == "" {
			require.Empty(t, got, text)

			continue
		}

		require.Contains(t, got, want, text)
	}
}
