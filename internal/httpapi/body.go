package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"imagerun/internal/fault"
)

const (
	maxBody     = 64 << 10  // bytes of JSON
	maxCallback = 128 << 10 // bytes; nobody has proved anything when it is read, and it repeats a prompt
	drainMost   = 8 << 20   // bytes of a body that was refused
	maxDepth    = 16        // levels of objects and arrays; our own bodies have three
	maxMembers  = 128       // of an object or array; our own have a hundred
)

// readBody reads all of a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errBodyTooLarge
	}

	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, errBodyTooLarge
		}

		return nil, errBodyRead.WithCause(err)
	}

	return raw, nil
}

// readJSON reads a JSON body strictly: one document, valid UTF-8, no name twice in an object, no
// NUL in a string (Postgres cannot keep it), not too deep. Numbers come as float64, which is what
// JSON promises to keep.
func readJSON(r *http.Request) (any, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, errContentType
	}

	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, errContentType
	}

	raw, err := readBody(r, maxBody)
	if err != nil {
		return nil, err
	}

	return parseJSON(raw)
}

func parseJSON(raw []byte) (any, error) {
	if depth, members := measure(raw); depth > maxDepth {
		return nil, errDepth
	} else if members > maxMembers {
		return nil, errMembers
	}

	var v any
	if err := json.Unmarshal(raw, &v); err != nil || !utf8.Valid(raw) {
		return nil, errJSON // the decoder's own words may quote the body
	}

	if repeatsName(json.NewDecoder(bytes.NewReader(raw))) {
		return nil, errJSON.WithFields(fault.Field{
			Pointer: "#", Keyword: "uniqueNames", Detail: "An object has the same name twice. Send each name once.",
		})
	}

	if at, found := findNUL(v, nil); found {
		return nil, errInvalid.WithFields(fault.Field{
			Pointer: safePointer(at), Keyword: "pattern", Detail: "The text holds the character U+0000. Remove it.",
		})
	}

	return v, nil
}

// measure counts levels, and the members of the longest object or array, in one pass, before anything is
// made of them. It need not judge broken JSON, nor what follows a level too many.
func measure(raw []byte) (depth, members int) {
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

// repeatsName reports whether an object of the valid document in d has a name twice, where
// readers differ in which one they believe.
func repeatsName(d *json.Decoder) bool {
	type frame struct {
		names map[string]bool // nil: an array
		isKey bool            // the next token is a name
	}

	var stack []frame

	for {
		t, err := d.Token()
		if err != nil {
			return false
		}

		var top *frame
		if len(stack) > 0 {
			top = &stack[len(stack)-1]
		}

		if name, ok := t.(string); ok && top != nil && top.names != nil && top.isKey {
			if top.names[name] {
				return true
			}

			top.names[name] = true
			top.isKey = false

			continue
		}

		if top != nil {
			top.isKey = true // after this value comes a name, if top is an object
		}

		switch t {
		case json.Delim('{'):
			stack = append(stack, frame{names: map[string]bool{}, isKey: true})
		case json.Delim('['):
			stack = append(stack, frame{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
	}
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
