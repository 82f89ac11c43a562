package httpapi

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"imagerun/internal/fault"
)

// idempotencyKey reads an Idempotency-Key: a structured string (RFC 8941 §3.3.3, as
// draft-ietf-httpapi-idempotency-key-header-07 has it) or, as most clients send it, bare. It has 1
// to 255 visible ASCII characters.
func idempotencyKey(header string) (string, bool) {
	key := strings.TrimSpace(header)

	if strings.HasPrefix(key, `"`) {
		var ok bool
		if key, ok = unquoteString(key); !ok {
			return "", false
		}
	}

	if key == "" || len(key) > 255 {
		return "", false
	}

	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", false
		}
	}

	return key, true
}

// readIdempotency reads the key of a request, and what it stands for; an empty key: it has none.
func readIdempotency(header *string, route string, body any) (key string, fingerprint []byte, err error) {
	if header == nil {
		return "", nil, nil
	}

	key, ok := idempotencyKey(*header)
	if !ok {
		return "", nil, errHeader.WithFields(fault.Field{
			Pointer: inHeader + "Idempotency-Key", Keyword: "format",
			Detail: "Send 1 to 255 visible ASCII characters, in double quotes or without. A fresh UUID is best.",
		})
	}

	fingerprint, err = fingerprintRequest(route, body)

	return key, fingerprint, err
}

// unquoteString undoes the two escapes that a structured string has.
func unquoteString(s string) (string, bool) {
	var b strings.Builder

	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), i == len(s)-1
		case '\\':
			if i++; i == len(s) || (s[i] != '"' && s[i] != '\\') {
				return "", false
			}
		}

		b.WriteByte(s[i])
	}

	return "", false
}

// fingerprintRequest is the meaning of a request: SHA-256 over its route and its decoded body written in
// one way, so that the order of names, spaces and the spelling of numbers do not matter.
func fingerprintRequest(route string, body any) ([]byte, error) {
	canonical, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode request for its fingerprint: %w", err)
	}

	sum := sha256.Sum256(append([]byte(route+"\n"), canonical...))

	return sum[:], nil
}
