package support_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"imagerun/internal/support"
)

func TestCode(t *testing.T) {
	t.Parallel()

	id := uuid.MustParse("0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214")
	require.Equal(t, "06BZ5-A64T9", support.Code(id))
}

func TestRange_HoldsWhatTheCodeIsOf(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		var id uuid.UUID

		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))

		code := support.Code(id)
		spoken := strings.NewReplacer("0", "o", "1", "L", "-", " ").Replace(strings.ToLower(code))

		for _, text := range []string{code, spoken} {
			first, last, err := support.Range(text)
			if err != nil || bytes.Compare(first[:], id[:]) > 0 || bytes.Compare(id[:], last[:]) > 0 {
				t.Fatalf("%s: %s … %s: %v", id, first, last, err)
			}

			if support.Code(first) != code || support.Code(last) != code {
				t.Fatalf("%s … %s is wider than %s", first, last, code)
			}
		}
	})
}

func TestRange_Refuses(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"", "ABCDE", "ABCDE-FGHJKM", "ABCDE-FGHJ!", "ABCDE-FGHJU", "ABCDE-FGHJÄ"} {
		_, _, err := support.Range(text)
		require.ErrorIs(t, err, support.ErrCode, text)
	}
}
