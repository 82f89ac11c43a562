package creemsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// signQuery is the signature of a return URL: the parameters in the order in which they arrive, those without a
// value left out, and the API key as salt, under a plain SHA-256.
// https://github.com/armitage-labs/creem/pull/72 (read 2026-11)
func signQuery(rawQuery, apiKey string) string {
	var parts []string

	for parameter := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)

		if errName != nil || errValue != nil || name == "signature" || value == "" || value == "null" {
			continue
		}

		parts = append(parts, name+"="+value)
	}

	sum := sha256.Sum256([]byte(strings.Join(append(parts, "salt="+apiKey), "|")))

	return hex.EncodeToString(sum[:])
}

func appendParameter(query, name, value string) string {
	if query != "" {
		query += "&"
	}

	return query + name + "=" + url.QueryEscape(value)
}

// signBody is the signature of a webhook: HMAC-SHA256 over the body's bytes, the whole secret as the key.
// https://docs.creem.io/code/webhooks (read 2026-11)
func signBody(body []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)

	return hex.EncodeToString(mac.Sum(nil))
}
