package creem

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// errTime is replaced by what the whole answer is: it makes no sense.
var errTime = errors.New("time makes no sense")

// entity is what has an id of Creem's.
type entity interface{ vendorID() string }

// identity makes an entity of what embeds it.
type identity struct {
	ID string `json:"id"`
}

func (i identity) vendorID() string { return i.ID }

// union is an entity that Creem gives by its id or whole.
type union[T any] struct {
	ID    string // empty: there is none
	Whole *T     // nil: it was not given whole
}

// UnmarshalJSON implements [json.Unmarshaler].
func (u *union[T]) UnmarshalJSON(b []byte) error {
	*u = union[T]{}

	if json.Unmarshal(b, &u.ID) == nil { // a text, or null
		return nil
	}

	var name identity
	if err := json.Unmarshal(b, &name); err != nil {
		return err
	}

	u.ID = name.ID

	return json.Unmarshal(b, &u.Whole)
}

// getWhole returns what was given of it.
func (u union[T]) getWhole() (whole T) {
	if u.Whole != nil {
		whole = *u.Whole
	}

	return whole
}

// metadata is what we send along with a checkout. What else may be in its place says nothing.
type metadata struct{ CheckoutID uuid.UUID }

// UnmarshalJSON implements [json.Unmarshaler].
func (m *metadata) UnmarshalJSON(b []byte) error {
	*m = metadata{}

	var (
		all  map[string]json.RawMessage
		text string
	)

	if json.Unmarshal(b, &all) == nil && json.Unmarshal(all[metadataKey], &text) == nil {
		m.CheckoutID = toCheckoutID(text)
	}

	return nil
}

// toCheckoutID is an id of ours as Creem gives it back; zero: it is none.
func toCheckoutID(text string) uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil
	}

	return id
}

// moment is a time: a text in ISO 8601, or milliseconds. Zero: none.
type moment struct{ time.Time }

// maxMillis is the end of the year 9999.
const maxMillis = 253_402_300_799_999

// UnmarshalJSON implements [json.Unmarshaler].
func (m *moment) UnmarshalJSON(b []byte) error {
	*m = moment{}

	text := strings.Trim(string(b), `"`)
	if text == "" || text == "0" || text == "null" {
		return nil
	}

	if millis, err := strconv.ParseFloat(text, 64); err == nil && millis > 0 && millis <= maxMillis {
		m.Time = time.UnixMilli(int64(millis)).UTC()

		return nil
	}

	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		t, err := time.Parse(layout, text)
		if t = t.UTC(); err == nil && t.Year() >= 1 && t.Year() <= 9999 { // its zone may lead beyond
			m.Time = t

			return nil
		}
	}

	return errTime
}

// normalizeWord is a word without regard to how it is put together: chargedBack, charged_back.
func normalizeWord(s string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
}
