package publicid_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/publicid"
)

func TestParse(t *testing.T) {
	t.Parallel()

	const sampleID = "gen_0197f2a8c4d27b53a1f09e6d58c3b214"

	id, ok := publicid.Parse("gen_", sampleID)
	require.True(t, ok)
	require.Equal(t, sampleID, publicid.Format("gen_", id))

	for _, bad := range []string{
		"", "gen_", sampleID + "0", sampleID[:35], "img_" + sampleID[4:], sampleID[4:], "gen_" + strings.ToUpper(sampleID[4:]),
		"gen_0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214", "gen_" + strings.Repeat("g", 32),
	} {
		_, ok := publicid.Parse("gen_", bad)
		require.False(t, ok, bad)
	}
}
