package apikey

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParse_ReadsWhatItWrites(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		k := plainKey{
			label:  rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "label"),
			id:     uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			secret: encodeBase62(rapid.SliceOfN(rapid.Byte(), secretBytes, secretBytes).Draw(t, "secret"), secretWidth),
		}

		got, ok := parseKey(k.label, k.String())
		if !ok || got != k {
			t.Fatalf("%v came back as %v, %v", k, got, ok)
		}
	})
}

func TestParse_RefusesAnyOneCharacterChanged(t *testing.T) {
	t.Parallel()

	text := newKey("live").String()
	require.Regexp(t, `^sk_live_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$`, text)

	for i := range text {
		for _, c := range []byte("0aZ_-+ \x00é") {
			if changed := text[:i] + string(c) + text[i+1:]; changed != text {
				_, ok := parseKey("live", changed)
				require.False(t, ok, "position %d", i)
			}
		}

		_, ok := parseKey("live", text[:i])
		require.False(t, ok, "cut at %d", i)
	}
}

func TestParse_Refuses(t *testing.T) {
	t.Parallel()

	text := newKey("live").String()

	for name, bad := range map[string]string{
		"Empty":      "",
		"OtherLabel": newKey("test").String(),
		"Longer":     text + "0",
		"Huge":       strings.Repeat("z", 1<<20),
		// 62^22 is more than 2^128: an id that is no UUID.
		"IDTooLarge": "sk_live_" + strings.Repeat("Z", idWidth) + text[len("sk_live_")+idWidth:],
	} {
		_, ok := parseKey("live", bad)
		require.False(t, ok, name)
	}
}

func TestNewKey_HasNothingInCommon(t *testing.T) {
	t.Parallel()

	a, b := newKey("live"), newKey("live")
	require.NotEqual(t, a.id, b.id)
	require.NotEqual(t, a.secret, b.secret)
	require.NotContains(t, a.displayPrefix(), a.secret[:4])
	require.True(t, strings.HasPrefix(a.String(), a.displayPrefix()))
}
