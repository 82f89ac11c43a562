package falsim

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// keyring are the keys that webhooks are signed with.
type keyring struct {
	rng       *rand.Rand
	published []ed25519.PrivateKey // the last signs
	foreign   ed25519.PrivateKey   // signs forgeries
}

func newKeyring(rng *rand.Rand) keyring {
	k := keyring{rng: rng}
	k.rotateKey(false)
	k.foreign = k.newKey()

	return k
}

func (k *keyring) signingKey() ed25519.PrivateKey { return k.published[len(k.published)-1] }

// rotateKey signs with a new key from now on; the old ones stay published if keep is set.
func (k *keyring) rotateKey(keep bool) {
	if !keep {
		k.published = nil
	}

	k.published = append(k.published, k.newKey())
}

// newKey makes a key from the seeded numbers.
func (k *keyring) newKey() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], k.rng.Uint64())
	}

	return ed25519.NewKeyFromSeed(seed)
}

// publishedJWKS are the published keys, changed as the knob says.
func (k *keyring) publishedJWKS(knob string) []map[string]string {
	keys := []map[string]string{}
	published := k.published

	switch knob {
	case "more":
		keys = append(keys,
			map[string]string{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rsa", "use": "sig"},
			map[string]string{"kty": "OKP", "crv": "X25519", "x": base64.RawURLEncoding.EncodeToString(make([]byte, 32))},
			map[string]string{"kty": "OKP", "crv": "Ed25519", "x": "short"})
	case "late":
		published = published[:len(published)-1]
	case "none":
		published = nil
	}

	for i, own := range published {
		public, _ := own.Public().(ed25519.PublicKey)
		key := map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)}

		if knob == "more" {
			key["kid"], key["alg"], key["use"] = "key-"+strconv.Itoa(i), "EdDSA", "sig"
		}

		keys = append(keys, key)
	}

	return keys
}

func (s *Sim) serveJWKS(w http.ResponseWriter, _ *http.Request, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()

	writeJSON(w, http.StatusOK, map[string]any{"keys": s.keys.publishedJWKS(s.knobs.JWKS)})
}

// RotateKey signs with a new key from now on; the old ones stay published if keep is set.
func (s *Sim) RotateKey(keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.keys.rotateKey(keep)
}
