package falsim

import (
	"net/http"
	"slices"
	"strings"
	"time"

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

// webhookFault is a way to spoil a webhook: its body before, its headers after it is signed, or when
// and how often it is sent.
type webhookFault struct {
	name   string
	what   string
	body   func(notice map[string]any)
	header func(h http.Header)
}

// WebhookFaults lists the words for [Knobs].WebhookFault and [Sim.SendWebhook].
func WebhookFaults() []string {
	var names []string
	for _, f := range webhookFaults() {
		names = append(names, f.name)
	}

	return names
}

func webhookFaults() []webhookFault {
	without := func(name string) func(http.Header) { return func(h http.Header) { h.Del(name) } }

	return []webhookFault{
		{name: faultForged, what: "signed with a key that is not published"},
		{name: faultWrongUser, what: "well signed, for another account"},
		{name: faultStale, what: "well signed, an hour ago"},
		{name: faultFuture, what: "well signed, in an hour"},
		{name: faultOtherHeader, what: "well signed, the header names another request than the body"},
		{name: "other_body", what: "well signed, the body names another request than the header", body: func(n map[string]any) {
			n["request_id"], n["gateway_request_id"] = otherID, otherID
		}},
		{name: faultUnknown, what: "well signed, for a request that nobody made", body: func(n map[string]any) { n["request_id"] = otherID }},
		{name: "other_gateway_id", what: "to be believed: fal tried more than once inside", body: func(n map[string]any) { n["gateway_request_id"] = otherID }},
		{name: "uppercase", what: "the signature in upper-case hex", header: func(h http.Header) {
			h.Set(headerSignature, strings.ToUpper(h.Get(headerSignature)))
		}},
		{name: "short_signature", what: "half a signature", header: func(h http.Header) {
			h.Set(headerSignature, h.Get(headerSignature)[:64])
		}},
		{name: "no_hex", what: "a signature that is not hex", header: func(h http.Header) { h.Set(headerSignature, strings.Repeat("z", 128)) }},
		{name: "no_signature", what: "a header is missing", header: without(headerSignature)},
		{name: "no_timestamp", what: "a header is missing", header: without(headerTimestamp)},
		{name: "no_user", what: "a header is missing", header: without(headerUser)},
		{name: "no_request", what: "a header is missing", header: without(headerRequest)},
		{name: "twice_signed", what: "a second, worthless signature header", header: func(h http.Header) {
			h.Add(headerSignature, strings.Repeat("0", 128))
		}},
		{name: faultChanged, what: "the body changed after it was signed"},
		{name: "garbage", what: "well signed, and no JSON"},
		{name: "null_payload", what: "to be believed: fal could not write the payload", body: func(n map[string]any) {
			n["payload"], n["payload_error"] = nil, unpackedText
		}},
		{name: "error_payload", what: "the same with status ERROR, although the result is there", body: func(n map[string]any) {
			n["status"], n["payload"], n["payload_error"] = "ERROR", nil, unpackedText
		}},
		{name: "bare", what: "to be believed: neither payload nor error", body: func(n map[string]any) {
			delete(n, "payload")
			delete(n, "error")
		}},
		{name: "unknown_state", what: "well signed, with a status that fal does not have", body: func(n map[string]any) { n["status"] = "PROGRESS" }},
		{name: faultRotated, what: "the key is changed before, and the old one no longer published"},
	}
}

// unpackedText is what fal writes when it could not write the payload.
const unpackedText = "Response payload is not JSON serializable. Either return a JSON serializable object or use the queue endpoint to retrieve the response."

const otherID = "11111111-2222-4333-8444-555555555555"

// apply writes the fault into a notice.
func (f webhookFault) apply(body []byte) []byte {
	switch {
	case f.name == "garbage":
		return body[:len(body)/2]
	case f.body == nil:
		return body
	default:
		return rules.EditJSON(body, f.body)
	}
}

func webhookFaultOf(name string) webhookFault {
	list := webhookFaults()
	if i := slices.IndexFunc(list, func(f webhookFault) bool { return f.name == name }); i >= 0 {
		return list[i]
	}

	return webhookFault{}
}

// webhookFaultsOfChaos is the part of chaos for webhooks.
func webhookFaultsOfChaos() []Fault {
	list := []Fault{
		{Name: "lost", What: "never sent"},
		{Name: "doubled", What: "sent twice"},
		{Name: "storm", What: "sent twenty times at once"},
		{Name: "late", What: "sent ten times chaos.hold_ms after the end, so out of order"},
	}
	for _, f := range webhookFaults() {
		list = append(list, Fault{Name: f.name, What: f.what})
	}

	for i := range list {
		list[i].Routes = []string{RouteWebhook}
	}

	return list
}

// spoilWebhook plans a webhook as chaos says. The caller holds mu.
func (s *Sim) spoilWebhook(d *delivery, name string, due time.Time) {
	times := map[string]int{"lost": 0, "doubled": 2, "storm": 20}
	d.Chaos = name

	n, counted := times[name]
	if !counted {
		n = 1
	}

	switch name {
	case "lost":
		s.lose(d)
	case "late":
		due = due.Add(10 * millis(s.knobs.Chaos.Hold()))
	case "doubled", "storm":
		s.count.WebhooksDoubled += int64(n - 1)
	default:
		d.Fault = name
		d.body = webhookFaultOf(name).apply(d.body)
	}

	for range n {
		twin := *d
		s.plan(&twin, due)
	}
}
