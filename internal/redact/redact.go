// Package redact holds the values that must never be printed: personal ones and secrets.
//
// Both types print, log and marshal as "[redacted]", whatever verb or encoder is used; the
// only way to the value is Reveal, which is easy to search for. They can be stored in and
// scanned from Postgres, where the value belongs.
package redact

import (
	"database/sql/driver"
	"fmt"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5/pgtype"
)

// Mask is what every hidden value prints as.
const Mask = "[redacted]"

// Personal is text about a person: a prompt, an email address, a name. Zero value: empty.
type Personal struct{ hidden }

// Secret is a key, a token or a password. Zero value: empty.
type Secret struct{ hidden }

// NewPersonal hides s.
func NewPersonal(s string) Personal { return Personal{hidden{s}} }

// NewSecret hides s.
func NewSecret(s string) Secret { return Secret{hidden{s}} }

type hidden struct{ value string }

// Reveal returns the value itself.
func (h hidden) Reveal() string { return h.value }

// IsZero reports whether there is no value.
func (h hidden) IsZero() bool { return h.value == "" }

// String returns [Mask].
func (h hidden) String() string { return Mask }

// Format writes [Mask] for every verb.
func (h hidden) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, Mask) }

// LogValue returns [Mask].
func (h hidden) LogValue() slog.Value { return slog.StringValue(Mask) }

// MarshalText returns [Mask]; JSON and YAML encoders use it.
func (h hidden) MarshalText() ([]byte, error) { return []byte(Mask), nil }

// UnmarshalText takes the value in.
func (h *hidden) UnmarshalText(b []byte) error {
	h.value = string(b)

	return nil
}

// TextValue gives Postgres the value, null when there is none; without it pgx would store what
// String returns.
func (h hidden) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: h.value, Valid: h.value != ""}, nil
}

// ScanText reads the value from Postgres; null becomes empty.
func (h *hidden) ScanText(v pgtype.Text) error {
	h.value = v.String

	return nil
}

// Value gives database/sql the value.
func (h hidden) Value() (driver.Value, error) { return h.value, nil }
