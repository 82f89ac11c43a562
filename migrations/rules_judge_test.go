package migrations_test

import (
	"regexp"
	"slices"
	"strings"
)

var (
	created = regexp.MustCompile(`^create (?:table|function) (?:if not exists )?([\w."]+)`)
	target  = regexp.MustCompile(`^(?:alter table (?:only )?|create (?:unique )?index \S+ on |insert into |update |revoke .* on (?:function )?)([\w."]+)`)
	altered = regexp.MustCompile(`^alter table (?:only )?\S+ (.*)$`)
	// An index that is made so that it can be made again, in place of what an interruption left.
	remade = regexp.MustCompile(`^drop index concurrently if exists (\S+);create (?:unique )?index concurrently (\S+) on `)
)

// judge returns what is wrong with a file. It reads what goes up: nobody goes down in production.
func judge(name, text string) (wrong []string) {
	own := map[string]bool{}
	outside := strings.Contains(text, "+goose NO TRANSACTION")

	blame := func(rules []rule, what string) {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.pattern.MatchString(what) })

		switch {
		case i < 0:
			wrong = append(wrong, what+": nobody has said that it is safe")
		case rules[i].because != "" && (!rules[i].finally || !strings.HasSuffix(name, "_after.sql")):
			wrong = append(wrong, what+": "+rules[i].because)
		}
	}

	for list := split(text); len(list) > 0; list = list[1:] {
		s := list[0]

		if m := remade.FindStringSubmatch(strings.Join(list, ";")); outside && m != nil && m[1] == m[2] {
			list = list[1:]

			continue
		}

		if outside && !strings.HasPrefix(s, "drop index concurrently if exists ") {
			wrong = append(wrong, s+": may be done by half without a transaction: such a file makes and drops indexes alone")
		}

		if m := created.FindStringSubmatch(s); m != nil {
			own[m[1]] = true
		}

		if m := target.FindStringSubmatch(s); m != nil && own[m[1]] {
			continue // nobody uses it yet
		}

		if m := altered.FindStringSubmatch(s); m != nil {
			for _, action := range splitOutsideBrackets(m[1], ',') {
				blame(actionRules, action)
			}

			continue
		}

		blame(statementRules, s)
	}

	return wrong
}

var opaque = regexp.MustCompile(`(?s)--[^\n]*|'(?:[^']|'')*'|\$\$.*?\$\$`)

// split returns the statements that go up, in lower case, without comments and without what is in quotes.
func split(text string) []string {
	_, up, _ := strings.Cut(text, "-- +goose Up\n")
	up, _, _ = strings.Cut(up, "-- +goose Down\n")
	up = opaque.ReplaceAllStringFunc(up, func(s string) string {
		if strings.HasPrefix(s, "--") {
			return ""
		}

		return s[:1] + s[len(s)-1:]
	})

	return splitOutsideBrackets(strings.ToLower(strings.Join(strings.Fields(up), " ")), ';')
}

// splitOutsideBrackets returns the parts of text between separators that are in no brackets.
func splitOutsideBrackets(text string, by rune) (parts []string) {
	start, depth := 0, 0

	for i, r := range text + string(by) {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case by:
			if depth > 0 && i < len(text) {
				continue
			}

			if part := strings.TrimSpace(text[start:i]); part != "" {
				parts = append(parts, part)
			}

			start = i + 1
		}
	}

	return parts
}
