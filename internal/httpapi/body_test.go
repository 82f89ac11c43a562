package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/httpapi"
)

// FuzzParseJSON: whatever comes, it is refused or it is JSON of limited depth that means the same
// to every reader.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, `1e999`, `"\u0000"`, `{"a":1,"a":2}`, `{"a":{"a":1},"b":{"a":1}}`, `["a","a"]`, `{"a":["b",{"b":"b"}]}`,
		`{"a":"}{]["}`, `"\\"`, `"\"[[["`, "\xff", `{"a":1}{"a":1}`, `{"\u0061":1,"a":2}`, ``, ` `, `{`, `]`, `{"a"}`,
		strings.Repeat("[", 16) + strings.Repeat("]", 16), strings.Repeat("[", 17) + strings.Repeat("]", 17), strings.Repeat(`{"a":`, 1000),
	} {
		f.Add([]byte(seed))
	}

	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := httpapi.ParseJSON(raw)
		if err != nil {
			require.Nil(t, v)

			return
		}

		require.True(t, json.Valid(raw))
		require.LessOrEqual(t, nesting(v), httpapi.MaxDepth)

		again, err := json.Marshal(v)
		require.NoError(t, err)

		same, err := httpapi.ParseJSON(again)
		require.NoError(t, err)
		require.Equal(t, v, same)
	})
}

func nesting(v any) int {
	deepest := 0

	switch v := v.(type) {
	case []any:
		for _, e := range v {
			deepest = max(deepest, nesting(e))
		}
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, nesting(e))
		}
	default:
		return 0
	}

	return deepest + 1
}

func TestParseJSON_Depth(t *testing.T) {
	t.Parallel()

	at := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }

	_, err := httpapi.ParseJSON(at(httpapi.MaxDepth))
	require.NoError(t, err)

	_, err = httpapi.ParseJSON(at(httpapi.MaxDepth + 1))
	require.ErrorContains(t, err, "json_too_deep")

	// Brackets in strings are text.
	_, err = httpapi.ParseJSON([]byte(`["` + strings.Repeat(`[\"`, 100) + `"]`))
	require.NoError(t, err)
}

func TestParseJSON_Members(t *testing.T) {
	t.Parallel()

	for body, refused := range map[string]bool{
		`[` + strings.Repeat("1,", 127) + `1]`:                                        false,
		`[` + strings.Repeat("1,", 128) + `1]`:                                        true,
		`{` + unknownFields(128) + `}`:                                                false,
		`{` + unknownFields(129) + `}`:                                                true,
		`{"a":[` + strings.Repeat("[1],", 128) + `[1]]}`:                              true,
		`[[` + strings.Repeat("1,", 100) + `1],[` + strings.Repeat("1,", 100) + `1]]`: false,
		`["` + strings.Repeat(`,\",`, 200) + `"]`:                                     false,
	} {
		_, err := httpapi.ParseJSON([]byte(body))
		require.Equal(t, refused, err != nil, body)
	}
}

func TestParseJSON_NamesTwice(t *testing.T) {
	t.Parallel()

	for body, refused := range map[string]bool{
		`{"a":1,"a":1}`:                       true,
		`{"a":1,"\u0061":1}`:                  true,
		`{"x":[{"a":1},{"b":1,"b":2}]}`:       true,
		`{"x":{"a":1},"y":{"a":1}}`:           false,
		`["a","a",{"a":"a"},"a"]`:             false,
		`{"a":"a","b":"a","c":["a","b"]}`:     false,
		`{"a":{"b":{"c":1}},"b":{"c":"b"}}`:   false,
		`{"a":[],"b":{},"c":[{}],"d":[[]]}`:   false,
		`{"a":[],"b":{},"c":[{}],"b":[[]]}`:   true,
		`{"a":{"b":[1,{"c":2}]},"b":1,"a":2}`: true,
	} {
		_, err := httpapi.ParseJSON([]byte(body))
		require.Equal(t, refused, err != nil, body)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()

	for header, want := range map[string]string{
		`k`:                                  "k",
		` k `:                                "k",
		`"k"`:                                "k",
		`"a\"b\\c"`:                          `a"b\c`,
		`8e03978e-40d5-43dd-bc93`:            `8e03978e-40d5-43dd-bc93`,
		strings.Repeat("k", 255):             strings.Repeat("k", 255),
		`"` + strings.Repeat("k", 255):       "",
		strings.Repeat("k", 256):             "",
		``:                                   "",
		`""`:                                 "",
		`"k`:                                 "",
		`"k"x`:                               "",
		`"k\x"`:                              "",
		`"k\`:                                "",
		`a b`:                                "",
		`"a b"`:                              "",
		"k\x7f":                              "",
		"kü":                                 "",
		`"` + strings.Repeat("k", 256) + `"`: "",
	} {
		got, ok := httpapi.ReadKey(header)
		require.Equal(t, want != "", ok, header)
		require.Equal(t, want, got, header)
	}
}
