package falsim

import (
	"net/http"
	"strings"

	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
)

// The faults of a webhook that matter when it is signed.
const (
	faultForged      = "forged"
	faultWrongUser   = "wrong_user"
	faultStale       = "stale"
	faultFuture      = "future"
	faultOtherHeader = "other_header"
	faultUnknown     = "unknown_request"
	faultChanged     = "body_changed"
	faultRotated     = "rotated"
)

// WebhookFaults lists the words for [Knobs].WebhookFault and [Sim.SendWebhook].
func WebhookFaults() []string { return deliveries.Policy{Faults: webhookFaults()}.Names() }

func webhookFaults() []deliveries.Fault {
	edit := func(change func(notice map[string]any)) func([]byte) []byte {
		return func(body []byte) []byte { return rules.EditJSON(body, change) }
	}
	without := func(name string) func(http.Header) { return func(h http.Header) { h.Del(name) } }

	return []deliveries.Fault{
		{Name: faultForged, What: "signed with a key that is not published"},
		{Name: faultWrongUser, What: "well signed, for another account"},
		{Name: faultStale, What: "well signed, an hour ago"},
		{Name: faultFuture, What: "well signed, in an hour"},
		{Name: faultOtherHeader, What: "well signed, the header names another request than the body"},
		{Name: "other_body", What: "well signed, the body names another request than the header", Body: edit(func(n map[string]any) {
			n["request_id"], n["gateway_request_id"] = otherID, otherID
		})},
		{Name: faultUnknown, What: "well signed, for a request that was never submitted", Body: edit(func(n map[string]any) { n["request_id"] = otherID })},
		{Name: "other_gateway_id", What: "to be believed: fal tried more than once inside", Body: edit(func(n map[string]any) { n["gateway_request_id"] = otherID })},
		{Name: "uppercase", What: "the signature in upper-case hex", Header: func(h http.Header) {
			h.Set(headerSignature, strings.ToUpper(h.Get(headerSignature)))
		}},
		{Name: "short_signature", What: "half a signature", Header: func(h http.Header) {
			h.Set(headerSignature, h.Get(headerSignature)[:64])
		}},
		{Name: "no_hex", What: "a signature that is not hex", Header: func(h http.Header) { h.Set(headerSignature, strings.Repeat("z", 128)) }},
		{Name: "no_signature", What: "a header is missing", Header: without(headerSignature)},
		{Name: "no_timestamp", What: "a header is missing", Header: without(headerTimestamp)},
		{Name: "no_user", What: "a header is missing", Header: without(headerUser)},
		{Name: "no_request", What: "a header is missing", Header: without(headerRequest)},
		{Name: "twice_signed", What: "a second, worthless signature header", Header: func(h http.Header) {
			h.Add(headerSignature, strings.Repeat("0", 128))
		}},
		{Name: faultChanged, What: "the body changed after it was signed"},
		{Name: "garbage", What: "well signed, and no JSON", Body: func(body []byte) []byte { return body[:len(body)/2] }},
		{Name: "null_payload", What: "to be believed: fal could not write the payload", Body: edit(func(n map[string]any) {
			n["payload"], n["payload_error"] = nil, unpackedText
		})},
		{Name: "error_payload", What: "the same with status ERROR, although the result is there", Body: edit(func(n map[string]any) {
			n["status"], n["payload"], n["payload_error"] = "ERROR", nil, unpackedText
		})},
		{Name: "bare", What: "to be believed: neither payload nor error", Body: edit(func(n map[string]any) {
			delete(n, "payload")
			delete(n, "error")
		})},
		{Name: "unknown_state", What: "well signed, with a status that fal does not have", Body: edit(func(n map[string]any) { n["status"] = "PROGRESS" })},
		{Name: faultRotated, What: "the key is changed before, and the old one no longer published"},
	}
}

// unpackedText is what fal writes when it could not write the payload.
const unpackedText = "Response payload is not JSON serializable. Either return a JSON serializable object or use the queue endpoint to retrieve the response."

const otherID = "11111111-2222-4333-8444-555555555555"
