package creem_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fixture is a webhook as Creem's documentation shows it, with ids of our own.
type fixture struct {
	name   string // its type
	body   []byte
	object map[string]any
}

// fixtures reads them all, by type.
func fixtures(t testing.TB) map[string]fixture {
	t.Helper()

	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Len(t, files, 17)

	all := map[string]fixture{}

	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)

		var envelope struct {
			Object map[string]any `json:"object"`
		}
		require.NoError(t, json.Unmarshal(body, &envelope))

		name := strings.TrimSuffix(filepath.Base(file), ".json")
		all[name] = fixture{name: name, body: body, object: envelope.Object}
	}

	return all
}

// rewrite goes through a value and replaces the members of every object.
func rewrite(v any, member func(name string, v any) (any, bool)) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = rewrite(v[i], member)
		}

		return v
	case map[string]any:
		out := map[string]any{}

		for name, one := range v {
			if one, keep := member(name, rewrite(one, member)); keep {
				out[name] = one
			}
		}

		return out
	default:
		return v
	}
}

// forms are the ways in which Creem may write one value. The documentation's has nulls and modes that its schema does not; the
// schema's is what its npm client takes.
func forms() map[string]func(any) any {
	return map[string]func(any) any{
		"Documented": func(v any) any { return v },
		"Schema": func(v any) any {
			return rewrite(v, func(name string, v any) (any, bool) {
				switch {
				case v == nil && name != "canceled_at":
					return nil, false
				case v == "local":
					return "test", true
				case v == "chargeback":
					return "chargedBack", true
				default:
					return v, true
				}
			})
		},
		"UnknownMembers": func(v any) any {
			return rewrite(v, func(_ string, v any) (any, bool) {
				if m, ok := v.(map[string]any); ok {
					m["new_member"] = map[string]any{"id": []any{1, nil}}
				}

				return v, true
			})
		},
		// Every part by its id, but what has our id or the money in it.
		"ByID": func(v any) any {
			return rewrite(v, func(name string, v any) (any, bool) {
				if m, ok := v.(map[string]any); ok && slices.Contains([]string{"product", "customer", "subscription"}, name) {
					return m["id"], true
				}

				return v, true
			})
		},
		"Whole": func(v any) any {
			return rewrite(v, func(name string, v any) (any, bool) {
				if id, ok := v.(string); ok && slices.Contains([]string{"product", "customer", "subscription", "order", "transaction"}, name) {
					return map[string]any{"id": id, "object": name, "mode": "test"}, true
				}

				return v, true
			})
		},
		"TimesInMilliseconds": func(v any) any {
			return rewrite(v, func(_ string, v any) (any, bool) {
				if text, ok := v.(string); ok {
					if at, err := time.Parse(time.RFC3339, text); err == nil {
						return at.UnixMilli(), true
					}
				}

				return v, true
			})
		},
		"TimesAsText": func(v any) any {
			return rewrite(v, func(name string, v any) (any, bool) {
				if ms, ok := v.(float64); ok && slices.Contains([]string{"created_at", "period_start", "period_end"}, name) {
					return time.UnixMilli(int64(ms)).Format("2006-01-02T15:04:05.000-07:00"), true
				}

				return v, true
			})
		},
	}
}

// write writes a value in one of the forms, without changing it.
func write(t testing.TB, form string, v any) []byte {
	t.Helper()

	b, err := json.Marshal(v)
	require.NoError(t, err)

	var fresh any
	require.NoError(t, json.Unmarshal(b, &fresh))

	b, err = json.Marshal(forms()[form](fresh))
	require.NoError(t, err)

	return b
}

// formNames are the names of the forms, in order.
func formNames() []string { return slices.Sorted(maps.Keys(forms())) }
