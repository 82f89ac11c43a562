package intake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
)

const quotePrefix = "quo_"

// quote is a promise of prices. Nothing of it is stored: its holder keeps it, signed.
type quote struct {
	Prices    catalogue.Prices `json:"p"`
	Catalogue string           `json:"c"` // the hash of the one that they are from
	ExpiresAt int64            `json:"e"` // Unix seconds
}

// sealQuote writes a quote down, for this user and this request alone.
func (s *Intake) sealQuote(q quote, userID uuid.UUID, o order) string {
	body, _ := json.Marshal(q) // numbers and strings always marshal

	return quotePrefix + base64.RawURLEncoding.EncodeToString(append(s.signQuote(body, userID, o), body...))
}

// honourQuote returns the prices of a quote. Errors: [generation.ErrQuoteExpired], [generation.ErrQuoteMismatch].
func (s *Intake) honourQuote(token string, userID uuid.UUID, o order) (catalogue.Prices, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, quotePrefix))
	if err != nil || len(raw) < sha256.Size || !hmac.Equal(raw[:sha256.Size], s.signQuote(raw[sha256.Size:], userID, o)) {
		return nil, generation.ErrQuoteMismatch
	}

	var q quote
	if err := json.Unmarshal(raw[sha256.Size:], &q); err != nil {
		return nil, generation.ErrQuoteMismatch
	}

	if s.Now().Unix() >= q.ExpiresAt {
		return nil, generation.ErrQuoteExpired
	}

	return q.Prices, nil
}

// signQuote signs all that the price depends on, and whose it is.
func (s *Intake) signQuote(body []byte, userID uuid.UUID, o order) []byte {
	p := o.parameters
	p.Seed, p.OutputFormat = 0, "" // free to choose
	request, _ := json.Marshal(p)  // numbers and strings always marshal

	mac := hmac.New(sha256.New, []byte(s.Options.CallbackSecret.Reveal()))
	for _, part := range [][]byte{[]byte("quote"), userID[:], []byte(o.model.ID), request, body} {
		sum := sha256.Sum256(part)
		mac.Write(sum[:])
	}

	return mac.Sum(nil)
}
