// Package strictjson decodes files that people write: a name that is not known is a mistake of theirs, and is said.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// Decode decodes exactly one JSON value into what into points to, and refuses unknown fields.
func Decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()

	if err := d.Decode(into); err != nil {
		return err
	}

	if strings.TrimSpace(string(data[d.InputOffset():])) != "" {
		return errors.New("there is something after the JSON value")
	}

	return nil
}
