package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5"
)

// IsNotFound reports whether a query of one row found none.
func IsNotFound(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// TextOrNil is a text for a column that may be null: null where it is empty.
func TextOrNil(s string) *string {
	if s == "" {
		return nil
	}

	return &s
}

// TextOrEmpty is the text of a column that may be null: empty where it is.
func TextOrEmpty(s *string) string {
	if s == nil {
		return ""
	}

	return *s
}
