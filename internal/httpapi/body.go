package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"imagerun/internal/fault"
)

const (
	maxBody     = 64 << 10  // bytes of JSON
	maxBatch    = 256 << 10 // likewise, of a batch: a hundred requests of the usual length
	maxCallback = 128 << 10 // bytes; it is read before its signature is verified, and it repeats a prompt
	maxDrain    = 8 << 20   // bytes of a body that was refused
	maxDepth    = 16        // levels of objects and arrays; our own bodies have three
	maxMembers  = 128       // of an object or array; our own have a hundred
	maxExponent = 330       // of a number; those of doubles end before that
)

// readBody reads all of a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	tooLarge := errBodyTooLarge.WithMore(fmt.Sprintf("Send %d KiB at most.", limit>>10))

	if r.ContentLength > limit {
		return nil, tooLarge
	}

	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge
		}

		return nil, errBodyRead.WithCause(err)
	}

	return raw, nil
}

// readJSON reads a JSON body of at most limit bytes strictly: one document of I-JSON (RFC 7493: valid UTF-8, no half of a
// character, no name twice in an object), not too deep.
// Numbers come as they were written, so that nothing of them is lost before they are judged.
func readJSON(r *http.Request, limit int64) (any, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, errContentType
	}

	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, errContentType
	}

	raw, err := readBody(r, limit)
	if err != nil {
		return nil, err
	}

	return parseJSON(raw)
}

func parseJSON(raw []byte) (any, error) {
	if depth, members := measureNesting(raw); depth > maxDepth {
		return nil, errDepth
	} else if members > maxMembers {
		return nil, errMembers
	}

	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil || !utf8.Valid(raw) {
		return nil, errJSON // the decoder's own words may quote the body
	}

	// encoding/json would put U+FFFD in the place of the half.
	if !jsontext.Value(raw).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, errJSON.WithFields(fault.Field{
			Pointer: "#", Keyword: "surrogate", Detail: "A text holds half of a character: one surrogate without the other. Send both or neither.",
		})
	}

	if !jsontext.Value(raw).IsValid() {
		return nil, errJSON.WithFields(fault.Field{
			Pointer: "#", Keyword: "uniqueNames", Detail: "An object has the same name twice. Send each name once.",
		})
	}

	if holdsWildNumber(v) {
		return nil, errJSON.WithFields(fault.Field{
			Pointer: "#", Keyword: "number", Detail: "A number is far too large, or too close to zero. Send one that a double can hold.",
		})
	}

	return v, nil
}

// refuseNUL refuses what Postgres cannot keep.
func refuseNUL(v any) error {
	if at, found := findNUL(v, nil); found {
		return errInvalid.WithFields(fault.Field{
			Pointer: safePointer(at), Keyword: "pattern", Detail: "The text holds the character U+0000. Remove it.",
		})
	}

	return nil
}

// measureNesting counts levels, and the members of the longest object or array, in one pass, before anything is
// made of them. It need not judge broken JSON, nor what follows a level too many.
func measureNesting(raw []byte) (depth, members int) {
	var open []int // how many members each open object or array has, were none empty

	inString := false

	for i := 0; i < len(raw) && depth <= maxDepth; i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			open = append(open, 1)
			depth = max(depth, len(open))
		case len(open) == 0:
		case c == '}' || c == ']':
			open = open[:len(open)-1]
		case c == ',':
			open[len(open)-1]++
			members = max(members, open[len(open)-1])
		}
	}

	return depth, members
}

// findNUL returns where a string, or a name, holds U+0000.
func findNUL(v any, at []string) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return at, strings.ContainsRune(v, 0)
	case []any:
		for _, e := range v {
			if p, found := findNUL(e, at); found {
				return p, true // the array: its members are not named
			}
		}
	case map[string]any:
		for name, e := range v {
			if strings.ContainsRune(name, 0) {
				return at, true
			}

			if p, found := findNUL(e, append(slices.Clip(at), name)); found {
				return p, true
			}
		}
	}

	return nil, false
}

// holdsWildNumber reports whether some number has an exponent that no double has. To judge it exactly could take
// all of our memory.
func holdsWildNumber(v any) bool {
	switch v := v.(type) {
	case json.Number:
		_, exponent, found := strings.Cut(strings.ToLower(string(v)), "e")
		n, err := strconv.Atoi(exponent)

		return found && (err != nil || n < -maxExponent || n > maxExponent)
	case []any:
		return slices.ContainsFunc(v, holdsWildNumber)
	case map[string]any:
		for _, e := range v {
			if holdsWildNumber(e) {
				return true
			}
		}
	}

	return false
}

// dropNulls takes null for the absence of a field that need not be there.
func dropNulls(s *jsonschema.Schema, v any) {
	for s.Ref != nil {
		s = s.Ref
	}

	if list, ok := v.([]any); ok && s.Items2020 != nil {
		for _, item := range list {
			dropNulls(s.Items2020, item)
		}
	}

	fields, _ := v.(map[string]any)
	for name, value := range fields {
		switch field, known := s.Properties[name]; {
		case !known:
		case value == nil && !slices.Contains(s.Required, name):
			delete(fields, name)
		default:
			dropNulls(field, value)
		}
	}
}

// plainNumbers writes whole numbers as encoding/json reads integers: 1.0 and 1e0 are 1 to JSON Schema.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(string(v)); ok && r.IsInt() {
			return json.Number(r.Num().String())
		}
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = plainNumbers(v[name])
		}
	}

	return v
}
