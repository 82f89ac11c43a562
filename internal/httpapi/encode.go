package httpapi

import (
	"bytes"
	"encoding/json"
)

// encodeJSON has e write v and a newline. It leaves & as it is: people copy links from a terminal, and nothing here is
// read as HTML. The generated code is rewritten to come here.
func encodeJSON(e *json.Encoder, v any) error {
	e.SetEscapeHTML(false)

	return e.Encode(v)
}

// mustEncode returns v without the newline. It panics for what never marshals, which our own types do.
func mustEncode(v any) []byte {
	var b bytes.Buffer
	if err := encodeJSON(json.NewEncoder(&b), v); err != nil {
		panic(err)
	}

	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
