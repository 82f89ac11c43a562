package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"

	"github.com/google/uuid"

	"imagerun/internal/auth"
)

const (
	secretBytes = 32

	// The widths that 16, 32 and 4 bytes need in base62.
	idWidth     = 22
	secretWidth = 43
	crcWidth    = 6

	shownOfID = 6 // characters of the id that a list shows after the label
)

// plainKey is a key taken apart.
type plainKey struct {
	label  string
	id     uuid.UUID
	secret string // base62, secretWidth characters
}

// newKey returns a random key.
func newKey(label string) plainKey {
	var secret [secretBytes]byte

	_, _ = rand.Read(secret[:]) // never fails: it ends the program instead

	return plainKey{label: label, id: uuid.New(), secret: encodeBase62(secret[:], secretWidth)}
}

// parseKey takes a key apart. It is false for whatever String did not make for this label.
func parseKey(label, text string) (plainKey, bool) {
	head := auth.KeyPrefix + label + "_"

	rest, ok := strings.CutPrefix(text, head)
	if !ok || len(rest) != idWidth+1+secretWidth+crcWidth || rest[idWidth] != '_' {
		return plainKey{}, false
	}

	id, ok := decodeBase62(rest[:idWidth])
	if !ok {
		return plainKey{}, false
	}

	k := plainKey{label: label, id: id, secret: rest[idWidth+1 : idWidth+1+secretWidth]}

	return k, k.String() == text
}

// String returns the key as its user has it.
func (k plainKey) String() string {
	body := auth.KeyPrefix + k.label + "_" + encodeBase62(k.id[:], idWidth) + "_" + k.secret

	crc := crc32.ChecksumIEEE([]byte(body))

	return body + encodeBase62([]byte{byte(crc >> 24), byte(crc >> 16), byte(crc >> 8), byte(crc)}, crcWidth)
}

// displayPrefix returns the part by which a user recognises the key.
func (k plainKey) displayPrefix() string {
	return auth.KeyPrefix + k.label + "_" + encodeBase62(k.id[:], idWidth)[:shownOfID]
}

func (k plainKey) hashSecret() []byte {
	sum := sha256.Sum256([]byte(k.secret))

	return sum[:]
}

func encodeBase62(b []byte, width int) string {
	digits := new(big.Int).SetBytes(b).Text(62)

	return strings.Repeat("0", width-len(digits)) + digits
}

func decodeBase62(digits string) (id uuid.UUID, ok bool) {
	for _, c := range []byte(digits) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return id, false // big.Int would also take signs
		}
	}

	n, ok := new(big.Int).SetString(digits, 62)
	if !ok || n.BitLen() > 8*len(id) {
		return id, false
	}

	n.FillBytes(id[:])

	return id, true
}
