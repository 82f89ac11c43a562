package arch_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// guests are the packages that may name tables of others, and why no function of the owner's would do.
var guests = []struct {
	packages string
	tables   []string // empty: all
	because  string
}{
	{"bench", nil, "it measures bare statements against the product's"},
	{"internal/auth/betterauth", []string{"auth.user", "auth.session"}, "a session is judged at each request, by the rows of the service that made it"},
	{"internal/auth/apikey", []string{"auth.user"}, "a key is good only while its owner is, as of one instant"},
	{"internal/support", []string{"ai_task", "ai_image", "provider_attempt", "upload", "api_key", "auth.user"}, "it finds whatever a person names, in one look"},
	{"internal/credits", []string{"ai_task", "ai_image"}, "the audit compares the books with what was made, as of one instant"},
	{"internal/generation/...", []string{"generation_user"}, "a user's name and plan are read, and their events numbered, in the statement of the change"},
	{"internal/upload", []string{"ai_task", "provider_attempt"}, "whether an upload is used is decided with its quota, in one statement"},
	{"cmd/imagerun/credits", []string{"auth.user", "billing_subject"}, "who has an account, with credits or without, is one question"},
	{"cmd/imagerun/demo", []string{"auth_mail"}, "the demo reads its user's mail, as they would"},
}

var (
	ownedBy  = regexp.MustCompile(`^-- Owner: ([\w/]+)`)
	lentTo   = regexp.MustCompile(`(\w+) is ([\w/]+)'s`)
	created  = regexp.MustCompile(`(?i)\bcreate (?:unlogged )?table (?:if not exists )?([\w."]+)`)
	mentions = regexp.MustCompile(`(?i)\b(?:from|join|into|update)\s+(?:only\s+)?([\w."]+)`)
)

// tableOwners returns whose each table is, as the first lines of the migrations say.
func tableOwners(t *testing.T) map[string]string {
	t.Helper()

	files, err := filepath.Glob("../../migrations/0*.sql")
	require.NoError(t, err)

	owners := map[string]string{}

	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)

		first, _, _ := strings.Cut(string(text), "\n")
		owner := ownedBy.FindStringSubmatch(first)
		require.NotNil(t, owner, "%s: say first which package owns it", file)

		for _, m := range created.FindAllStringSubmatch(string(text), -1) {
			owners[bare(m[1])] = owner[1]
		}

		for _, m := range lentTo.FindAllStringSubmatch(first, -1) {
			if owners[m[1]] != "" {
				owners[m[1]] = m[2]
			}
		}
	}

	require.Greater(t, len(owners), 20, "too few to judge")

	return owners
}

func bare(table string) string {
	return strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(table), `"`, ""), "public.")
}

// judgeTables returns which tables a package's SQL names that are not its own, and that it is no guest of.
func judgeTables(owners map[string]string, name, text string) (wrong []string) {
	for _, m := range mentions.FindAllStringSubmatch(text, -1) {
		table := bare(m[1])
		owner, known := owners[table]

		if !known || name == owner || strings.HasPrefix(name, owner+"/") {
			continue
		}

		welcome := false
		for _, g := range guests {
			welcome = welcome || matches(g.packages, name) && (len(g.tables) == 0 || strings.Contains(" "+strings.Join(g.tables, " ")+" ", " "+table+" "))
		}

		if !welcome {
			wrong = append(wrong, fmt.Sprintf("names %s, which is %s's: ask that package", table, owner))
		}
	}

	return wrong
}

// TestTables_HaveOneOwner reads every .sql file and every string of ours that is no test's.
func TestTables_HaveOneOwner(t *testing.T) {
	t.Parallel()

	owners, judged := tableOwners(t), 0

	for _, p := range packages(t) {
		if matches("*test", p.name()) || p.name() == "migrations" || filepath.Base(p.Dir) == "db" {
			continue
		}

		var texts []string

		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			require.NoError(t, err)

			ast.Inspect(f, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, err := strconv.Unquote(literal.Value)
					require.NoError(t, err)

					texts = append(texts, text)
				}

				return true
			})
		}

		files, err := filepath.Glob(filepath.Join(p.Dir, "*.sql"))
		require.NoError(t, err)

		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)

			texts = append(texts, string(text))
		}

		for _, text := range texts {
			judged += len(mentions.FindAllString(text, -1))

			for _, wrong := range judgeTables(owners, p.name(), text) {
				t.Errorf("%s %s", p.name(), wrong)
			}
		}
	}

	require.Greater(t, judged, 300, "too few to judge")
}

// The judge must be able to find guilt.
func TestJudgeTables(t *testing.T) {
	t.Parallel()

	owners := map[string]string{"ai_task": "internal/generation", "auth.user": "auth", "upload": "internal/idempotency"}

	for text, want := range map[string]string{
		"select id from ai_task":                          "names ai_task, which is internal/generation's",
		`select 1 from public."ai_task" t`:                "names ai_task",
		`select "id" from auth."user" where "id" = $1`:    "names auth.user",
		"with x as (select 1) update ai_task set id = $1": "names ai_task",
		"select id from upload u join ai_task t on true":  "names ai_task",
		"select id from upload":                           "",
		"pick one from job":                               "",
	} {
		got := strings.Join(judgeTables(owners, "internal/idempotency", text), "; ")
		require.Contains(t, got, want, text)

		if want == "" {
			require.Empty(t, got, text)
		}
	}
}
