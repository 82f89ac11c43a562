package falsim

import (
	"net/http"
	"slices"
	"strings"

	"imagerun/internal/simulators/kit/chaos"
	"imagerun/internal/simulators/kit/deliveries"
)

// Fault is one way in which chaos spoils something.
type Fault = chaos.Fault

// Chaos are the knobs of the faults that come at random.
type Chaos = chaos.Knobs

// Faults is the table of everything that chaos does: to calls, to the notices of finished
// requests ([RouteWebhook]) and to the requests themselves ([RouteEnding]).
func Faults() []Fault {
	all := callRoutes()
	parsed := slices.DeleteFunc(callRoutes(), func(r string) bool { return r == RouteMedia })

	return slices.Concat(
		chaos.LostCalls(all), chaos.RefusedCalls(all), unfinishedReplies(), chaos.SpoiledReplies(all, parsed), misleadingReplies(),
		poisonFaults(), deliveries.Policy{Faults: webhookFaults()}.Table(), endingFaults(),
	)
}

func unfinishedReplies() []Fault {
	return []Fault{{
		Name: "unfinished", Routes: []string{RouteResult}, What: "400 still in progress, although it is over",
		Rule: Rule{Action: ActAnswer, Status: http.StatusBadRequest, Body: `{"detail":"Request is still in progress"}`},
	}}
}

// misleadingReplies have acted, and say of the request what is not so.
func misleadingReplies() []Fault {
	rewrite := Rule{Action: ActRewrite}

	return []Fault{
		{Name: "false_links", Routes: []string{RouteSubmit, RouteStatus}, Acts: true, What: "status, response and cancel URL lead to the trap", Rule: rewrite, Edit: falsifyLinks},
		{Name: "unknown_status", Routes: []string{RouteStatus, RouteStream}, Acts: true, What: "a status that fal does not have", Rule: rewrite, Edit: falsifyStatus},
		{Name: "early_completed", Routes: []string{RouteStatus}, Acts: true, What: "COMPLETED before it is", Rule: rewrite, Edit: completeEarly},
	}
}

func falsifyLinks(code int, reply map[string]any) int {
	for k, v := range reply {
		if text, ok := v.(string); ok && strings.HasSuffix(k, "_url") {
			reply[k] = strings.Replace(text, "/queue/", "/trap/", 1)
		}
	}

	return code
}

func falsifyStatus(code int, reply map[string]any) int {
	reply["status"] = "FAILED"

	return code
}

func completeEarly(code int, reply map[string]any) int {
	if reply["request_id"] == nil {
		return code
	}

	reply["status"] = "COMPLETED"
	delete(reply, "queue_position")

	return http.StatusOK
}

// refusalBody is the body that fal's gateway, or its platform API, gives a status.
func refusalBody(route string, code int) string {
	switch {
	case code == http.StatusNotFound && (route == RouteStatus || route == RouteStream || route == RouteCancel):
		return `{"status":"NOT_FOUND"}`
	case slices.Contains([]string{RouteFind, RouteErase, RoutePricing, RouteBilling, RouteMeta}, route):
		kind := map[int]string{
			http.StatusUnauthorized: "authorization_error", http.StatusForbidden: "authorization_error",
			http.StatusNotFound: "not_found", http.StatusTooManyRequests: "rate_limited",
		}[code]
		if kind == "" {
			kind = "server_error"
		}

		return string(encodeJSON(map[string]any{"error": map[string]any{"type": kind, "message": http.StatusText(code), "docs_url": platformDocs, "request_id": "falsim"}}))
	case code == http.StatusForbidden:
		return string(encodeJSON(map[string]any{"detail": lockedText}))
	case code == http.StatusUnauthorized:
		return `{"detail":"No user found for Key ID and Secret"}`
	default:
		return string(encodeJSON(map[string]any{"detail": http.StatusText(code)}))
	}
}
