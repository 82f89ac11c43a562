package creemsim

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
)

const headerSignature = "creem-signature"

// The faults of a webhook that matter when it is signed.
const (
	faultForged  = "forged"
	faultChanged = "body_changed"
)

// deliveryPolicy follows Creem's rules: five tries, given up after a day, and 200 alone is a delivery.
// https://github.com/armitage-labs/creem/pull/166 (read 2026-11)
func (s *Sim) deliveryPolicy() deliveries.Policy {
	return deliveries.Policy{
		Sign:    s.signDelivery,
		Accepts: func(status int) bool { return status == http.StatusOK },
		Retry:   deliveries.After(30*time.Second, 5*time.Minute, 30*time.Minute, 6*time.Hour),
		Faults:  webhookFaults(),
	}
}

func (s *Sim) signDelivery(d *deliveries.Delivery) (http.Header, []byte) {
	secret := s.findSecret(d.Endpoint, d.URL)
	if d.Fault == faultForged {
		secret += "-forged"
	}

	header := http.Header{"Content-Type": {"application/json"}}
	header.Set(headerSignature, signBody(d.Body, secret))

	if d.Fault == faultChanged {
		return header, append(slices.Clone(d.Body), ' ')
	}

	return header, d.Body
}

// WebhookFaults lists the words for [Knobs].WebhookFault and the SendWebhook of the kit.
func WebhookFaults() []string { return deliveries.Policy{Faults: webhookFaults()}.Names() }

func webhookFaults() []deliveries.Fault {
	edit := func(change func(event map[string]any)) func([]byte) []byte {
		return func(body []byte) []byte { return rules.EditJSON(body, change) }
	}
	rewrite := func(change func(signature string) string) func(http.Header) {
		return func(h http.Header) { h.Set(headerSignature, change(h.Get(headerSignature))) }
	}

	return []deliveries.Fault{
		{Name: faultForged, What: "signed with another secret"},
		{Name: faultChanged, What: "the body changed after it was signed"},
		{Name: "no_signature", What: "the header is missing", Header: func(h http.Header) { h.Del(headerSignature) }},
		{Name: "short_signature", What: "half a signature", Header: rewrite(func(s string) string { return s[:len(s)/2] })},
		{Name: "no_hex", What: "a signature that is not hex", Header: rewrite(func(s string) string { return strings.Repeat("z", len(s)) })},
		{Name: "twice_signed", What: "a second, worthless signature", Header: func(h http.Header) { h.Add(headerSignature, strings.Repeat("0", 64)) }},
		{Name: "garbage", What: "well signed, and no JSON", Body: func(body []byte) []byte { return body[:len(body)/2] }},
		{Name: "unknown_type", What: "well signed, of a type that nobody knows", Body: edit(func(e map[string]any) { e["eventType"] = "subscription.transformed" })},
		{Name: "unknown_object", What: "well signed, for something that was never bought from us", Body: edit(func(e map[string]any) {
			if object, ok := e["object"].(map[string]any); ok {
				object["id"] = "xx_0000000000000000000000"
			}
		})},
		{Name: "no_object", What: "well signed, and of nothing", Body: edit(func(e map[string]any) { delete(e, "object") })},
		{Name: "other_version", What: "well signed, with members that nobody knows", Body: edit(func(e map[string]any) { e["api_version"] = "2031-01-01" })},
	}
}
