package publicid

import (
	"encoding/binary"
	"strings"

	"github.com/google/uuid"

	"imagerun/internal/fault"
)

// alphabet is Crockford's base 32 (crockford.com/base32.html): no letters that look alike.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	length = 10
	bits   = 5 * length // of the id that a code shows
)

// ErrCode answers for a text that is no code.
var ErrCode = fault.New(fault.Invalid, "support_code_invalid", "That is not a support code: they look like 4X9KQ-7M2AB.")

// SupportCode is the short name of whatever has the id, for reading out: its first fifty bits. It needs no
// column, and a random id shares it with no other.
func SupportCode(id uuid.UUID) string {
	n := binary.BigEndian.Uint64(id[:8]) >> (64 - bits)

	var b [length]byte
	for i := length - 1; i >= 0; i-- {
		b[i] = alphabet[n&31]
		n >>= 5
	}

	return string(b[:5]) + "-" + string(b[5:])
}

// CodeRange returns the first and the last id that a code may mean, both included. Letters may be small
// and may be those that look alike; anything but letters and digits between them is passed over.
// Errors: [ErrCode].
func CodeRange(code string) (first, last uuid.UUID, err error) {
	var (
		n     uint64
		found int
	)

	for _, c := range strings.ToUpper(code) {
		switch c {
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		case '-', ' ':
			continue
		}

		digit := strings.IndexRune(alphabet, c)
		if found++; digit < 0 || found > length {
			return first, last, ErrCode
		}

		n = n<<5 | uint64(digit) //nolint:gosec // not negative
	}

	if found != length {
		return first, last, ErrCode
	}

	binary.BigEndian.PutUint64(first[:8], n<<(64-bits))
	binary.BigEndian.PutUint64(last[:8], n<<(64-bits)|(1<<(64-bits)-1))

	for i := 8; i < len(last); i++ {
		last[i] = 0xff
	}

	return first, last, nil
}
