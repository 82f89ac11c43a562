package falsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Disturbances is the table of everything that the mix does: to calls, to the notices of
// finished requests ([RouteWebhook]) and to the requests themselves ([RouteEnding]).
func Disturbances() []Disturbance {
	return slices.Concat(lostCalls(), refusedCalls(), spoiledReplies(), poisonings(), mannerisms(), endingsOfMix())
}

// lostCalls never get a reply, or get it late.
func lostCalls() []Disturbance {
	all := callRoutes()

	return []Disturbance{
		{Name: ActDrop, Routes: all, What: "cut before it acts", rule: Rule{Action: ActDrop}},
		{Name: ActReset, Routes: all, What: "reset before it acts", rule: Rule{Action: ActReset}},
		{Name: ActLose, Routes: all, Acts: true, What: "acts, then cut instead of a reply", rule: Rule{Action: ActLose}},
		{Name: ActHang, Routes: all, Acts: true, What: "held, then acts and replies", rule: Rule{Action: ActHang}},
		{Name: ActWithhold, Routes: all, Acts: true, What: "acts, the reply is held", rule: Rule{Action: ActWithhold}},
		{Name: ActStall, Routes: all, Acts: true, What: "acts, half of the reply, the rest is held", rule: Rule{Action: ActStall}},
		{Name: ActSlow, Routes: all, Acts: true, What: "acts, the reply drips in 20 pieces", rule: Rule{Action: ActSlow}},
	}
}

// refusedCalls are answered by a gateway, and nothing happens.
func refusedCalls() []Disturbance {
	all := callRoutes()

	var list []Disturbance

	for _, code := range []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	} {
		list = append(list, Disturbance{
			Name: fmt.Sprintf("http_%d", code), Routes: all, What: "does not act; " + strings.ToLower(http.StatusText(code)),
			rule: Rule{Action: ActAnswer, Status: code},
		})
	}

	page := func(code int) Rule {
		return Rule{
			Action: ActAnswer, Status: code, Headers: map[string]string{"Content-Type": "text/html"},
			Body: "<!doctype html><html><head><title>Just a moment…</title></head><body><h1>" + http.StatusText(code) + "</h1></body></html>",
		}
	}
	away := func(code int) Rule {
		return Rule{Action: ActAnswer, Status: code, Headers: map[string]string{"Location": "/trap/redirect"}}
	}

	return append(list,
		Disturbance{Name: "html_200", Routes: all, What: "does not act; a page of HTML as success", rule: page(http.StatusOK)},
		Disturbance{Name: "html_502", Routes: all, What: "does not act; a page of HTML as 502", rule: page(http.StatusBadGateway)},
		Disturbance{Name: "redirect_302", Routes: all, What: "does not act; redirects to the trap", rule: away(http.StatusFound)},
		Disturbance{Name: "redirect_307", Routes: all, What: "does not act; redirects to the trap, method and body kept", rule: away(http.StatusTemporaryRedirect)},
		Disturbance{
			Name: "unfinished", Routes: []string{RouteResult}, What: "400 still in progress, although it is over",
			rule: Rule{Action: ActAnswer, Status: http.StatusBadRequest, Body: `{"detail":"Request is still in progress"}`},
		})
}

// spoiledReplies have acted; the reply is not what it should be.
func spoiledReplies() []Disturbance {
	all := callRoutes()
	parsed := slices.DeleteFunc(callRoutes(), func(r string) bool { return r == RouteMedia })
	ate := func(code int) Rule {
		return Rule{Action: ActRewrite, Status: code, Headers: map[string]string{"Content-Type": "text/html"}, Body: "<html><h1>" + http.StatusText(code) + "</h1></html>"}
	}
	body := func(text string) Rule { return Rule{Action: ActRewrite, Body: text} }
	header := func(name, value string) Rule {
		return Rule{Action: ActRewrite, Headers: map[string]string{name: value}}
	}

	return []Disturbance{
		{Name: ActTruncate, Routes: all, Acts: true, What: "half of what was announced, then cut", rule: Rule{Action: ActTruncate}},
		{Name: ActHalve, Routes: all, Acts: true, What: "half, as if it were all", rule: Rule{Action: ActHalve}},
		{Name: ActSpill, Routes: all, Acts: true, What: "twice what was announced", rule: Rule{Action: ActSpill}},
		{Name: ActFlood, Routes: all, Acts: true, What: "64 MiB instead of the reply", rule: Rule{Action: ActFlood}},
		{Name: ActGzipBomb, Routes: all, Acts: true, What: "64 MiB packed into a few kilobytes", rule: Rule{Action: ActGzipBomb}},
		{Name: "bad_gzip", Routes: all, Acts: true, What: "says gzip and is not", rule: header("Content-Encoding", "gzip")},
		{Name: "wrong_type", Routes: all, Acts: true, What: "the right reply, called text/html", rule: header("Content-Type", "text/html; charset=utf-8")},
		{Name: "acted_502", Routes: all, Acts: true, What: "acts; the gateway says 502", rule: ate(http.StatusBadGateway)},
		{Name: "acted_504", Routes: all, Acts: true, What: "acts; the gateway says 504", rule: ate(http.StatusGatewayTimeout)},
		{Name: "blank", Routes: parsed, Acts: true, What: "success with a blank body", rule: body(" ")},
		{Name: "null", Routes: parsed, Acts: true, What: "the reply is null", rule: body("null")},
		{Name: "empty_object", Routes: parsed, Acts: true, What: "the reply is {}", rule: body("{}")},
		{Name: "wrong_members", Routes: parsed, Acts: true, What: "every member of the reply has the wrong type", rule: body(""), edit: mistype},
		{Name: "false_links", Routes: []string{RouteSubmit, RouteStatus}, Acts: true, What: "status, response and cancel URL lead to the trap", rule: body(""), edit: mislead},
		{Name: "unknown_status", Routes: []string{RouteStatus, RouteStream}, Acts: true, What: "a status that fal does not have", rule: body(""), edit: misname},
		{Name: "early_completed", Routes: []string{RouteStatus}, Acts: true, What: "COMPLETED before it is", rule: body(""), edit: completed},
	}
}

func mistype(code int, reply map[string]any) int {
	for k, v := range reply {
		if _, isText := v.(string); isText {
			reply[k] = []any{1}
		} else {
			reply[k] = "none"
		}
	}

	return code
}

func mislead(code int, reply map[string]any) int {
	for k, v := range reply {
		if text, ok := v.(string); ok && strings.HasSuffix(k, "_url") {
			reply[k] = strings.Replace(text, "/queue/", "/trap/", 1)
		}
	}

	return code
}

func misname(code int, reply map[string]any) int {
	reply["status"] = "FAILED"

	return code
}

func completed(code int, reply map[string]any) int {
	if reply["request_id"] == nil {
		return code
	}

	reply["status"] = "COMPLETED"
	delete(reply, "queue_position")

	return http.StatusOK
}

// refusal is the body that fal's gateway, or its platform API, gives a status.
func refusal(route string, code int) string {
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

		return string(encode(map[string]any{"error": map[string]any{"type": kind, "message": http.StatusText(code), "docs_url": platformDocs, "request_id": "falsim"}}))
	case code == http.StatusForbidden:
		return string(encode(map[string]any{"detail": lockedText}))
	case code == http.StatusUnauthorized:
		return `{"detail":"No user found for Key ID and Secret"}`
	default:
		return string(encode(map[string]any{"detail": http.StatusText(code)}))
	}
}
