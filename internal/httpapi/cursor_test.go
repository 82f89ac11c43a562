package httpapi_test

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

func TestCursor(t *testing.T) {
	t.Parallel()

	g := sample(generation.StatusQueued, 1)
	g.CreatedAt = time.Date(2026, 11, 22, 15, 0, 0, 123_456_000, time.UTC)

	cursor := httpapi.FormatCursor(g)
	require.Regexp(t, `^cur_[A-Za-z0-9_-]{32}$`, cursor)

	place, ok := httpapi.ParseCursor(cursor)
	require.True(t, ok)
	require.Equal(t, generation.Place{CreatedAt: g.CreatedAt, ID: g.ID}, place, "to the microsecond, as the database has it")

	place, ok = httpapi.ParseCursor(sampleID)
	require.True(t, ok)
	require.Equal(t, generation.Place{ID: g.ID}, place)

	of := func(micros int64) string {
		b := binary.BigEndian.AppendUint64(nil, uint64(micros))

		return "cur_" + base64.RawURLEncoding.EncodeToString(append(b, g.ID[:]...))
	}

	for _, bad := range []string{"", "cur_", cursor + "A", cursor[:35], "gen_" + cursor[4:], cursor[4:], of(math.MaxInt64), of(math.MinInt64), of(-1), of(0)} {
		_, ok := httpapi.ParseCursor(bad)
		require.False(t, ok, bad)
	}
}

// The id of which every digit is zero is no generation's. It is not the absence of one.
func TestIDs_Nil(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.list = func(_ uuid.UUID, f generation.Filter) (generation.Page, error) {
		switch {
		case f.RemixOf != nil:
			require.Equal(t, uuid.Nil, *f.RemixOf)
		case f.StartingAfter != nil:
			require.Equal(t, generation.Place{}, *f.StartingAfter)
		default:
			require.Equal(t, generation.Place{}, *f.EndingBefore)
		}

		return generation.Page{}, nil
	}

	for _, name := range []string{"remix_of", "starting_after", "ending_before"} {
		require.Equal(t, 200, b.do("GET", "/v1/generations?"+name+"=gen_00000000000000000000000000000000", "").Code, name)
	}
}
