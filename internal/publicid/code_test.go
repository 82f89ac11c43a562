package publicid_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"imagerun/internal/publicid"
)

func TestSupportCode(t *testing.T) {
	t.Parallel()

	id := uuid.MustParse("0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214")
	require.Equal(t, "06BZ5-A64T9", publicid.SupportCode(id))
}

func TestCodeRange_HoldsWhatTheCodeIsOf(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		var id uuid.UUID

		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))

		code := publicid.SupportCode(id)
		spoken := strings.NewReplacer("0", "o", "1", "L", "-", " ").Replace(strings.ToLower(code))

		for _, text := range []string{code, spoken} {
			first, last, err := publicid.CodeRange(text)
			if err != nil || bytes.Compare(first[:], id[:]) > 0 || bytes.Compare(id[:], last[:]) > 0 {
				t.Fatalf("%s: %s … %s: %v", id, first, last, err)
			}

			if publicid.SupportCode(first) != code || publicid.SupportCode(last) != code {
				t.Fatalf("%s … %s is wider than %s", first, last, code)
			}
		}
	})
}

func TestCodeRange_Refuses(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"", "ABCDE", "ABCDE-FGHJKM", "ABCDE-FGHJ!", "ABCDE-FGHJU", "ABCDE-FGHJÄ"} {
		_, _, err := publicid.CodeRange(text)
		require.ErrorIs(t, err, publicid.ErrCode, text)
	}
}
