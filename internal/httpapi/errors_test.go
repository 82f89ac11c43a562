package httpapi_test

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

// declared finds the faults in the source: kind and code.
var declared = regexp.MustCompile(`(?:fault\.| = )New\(\s*(?:fault\.)?([A-Z]\w+),\s*"([a-z_]+)"`)

// The list of codes in docs/errors.md is closed: it has every fault that the product declares, with
// its status, and no other.
func TestErrors_EveryProblemIsDocumented(t *testing.T) {
	t.Parallel()

	documented := rows(t, "## Codes of problems")
	found := map[string]bool{}

	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			if d != nil && d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}

			return err
		}

		source, err := os.ReadFile("../../" + path)
		if err != nil {
			return err
		}

		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			kind, code := m[1], m[2]
			found[code] = true

			row, ok := documented[code]
			if !ok {
				t.Errorf("%s: docs/errors.md does not have %s", path, code)

				continue
			}

			status, _ := httpapi.Describe(fault.New(kindOf(t, kind), code, ""))
			require.Equal(t, strconv.Itoa(status), row[1], "%s: status of %s", path, code)
		}

		return nil
	})
	require.NoError(t, err)

	for code := range documented {
		require.True(t, found[code], "docs/errors.md has %s, which nothing declares", code)
	}

	requireEnum(t, "ProblemCode", documented)
}

func TestErrors_RetryableIsAsDocumented(t *testing.T) {
	t.Parallel()

	documented := rows(t, "## Codes of problems")

	for _, e := range httpapi.Faults() {
		_, retryable := httpapi.Describe(e)
		require.Equal(t, map[bool]string{true: "yes", false: "no"}[retryable], documented[e.Code][2], e.Code)
	}
}

func TestErrors_EveryFailureIsDocumented(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("../generation/generation.go")
	require.NoError(t, err)

	documented := rows(t, "## Codes of failures")

	var found []string

	for _, m := range regexp.MustCompile(`FailureCode = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		_, retryable := generation.FailureText(generation.FailureCode(m[1]))
		require.Contains(t, documented, m[1])
		require.Equal(t, map[bool]string{true: "yes", false: "no"}[retryable], documented[m[1]][1], m[1])

		found = append(found, m[1])
	}

	require.Len(t, documented, len(found))
	requireEnum(t, "FailureCode", documented)
}

// requireEnum demands that the contract lists the same codes.
func requireEnum(t *testing.T, schema string, documented map[string][]string) {
	t.Helper()

	enum := contractOf(t).at("components", "schemas", schema)["enum"].([]any)
	listed := make([]string, len(enum))

	for i, code := range enum {
		listed[i] = code.(string)
	}

	require.ElementsMatch(t, slices.Collect(maps.Keys(documented)), listed)
}

// rows reads the table under a heading of docs/errors.md, by code.
func rows(t *testing.T, heading string) map[string][]string {
	t.Helper()

	text, err := os.ReadFile("../../docs/errors.md")
	require.NoError(t, err)

	_, section, ok := strings.Cut(string(text), heading)
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")

	table := map[string][]string{}

	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}

		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}

		table[strings.Trim(cells[0], "`")] = cells
	}

	require.NotEmpty(t, table)

	return table
}

func kindOf(t *testing.T, name string) fault.Kind {
	t.Helper()

	kinds := map[string]fault.Kind{
		"Malformed": fault.Malformed, "Unauthenticated": fault.Unauthenticated, "Payment": fault.Payment, "Forbidden": fault.Forbidden,
		"NotFound": fault.NotFound, "NotAcceptable": fault.NotAcceptable, "Conflict": fault.Conflict, "Gone": fault.Gone,
		"Precondition": fault.Precondition, "TooLarge": fault.TooLarge, "UnsupportedType": fault.UnsupportedType, "Invalid": fault.Invalid,
		"RateLimited": fault.RateLimited, "Internal": fault.Internal, "Unavailable": fault.Unavailable,
	}
	require.Contains(t, kinds, name)

	return kinds[name]
}
