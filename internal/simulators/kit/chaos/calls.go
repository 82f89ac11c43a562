package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"imagerun/internal/simulators/kit/rules"
)

// TrapPath is where redirects of chaos lead. No client should come.
const TrapPath = "/trap/redirect"

// LostCalls never get a reply, or get it late.
func LostCalls(routes []string) []Fault {
	return []Fault{
		{Name: rules.ActDrop, Routes: routes, What: "cut before it acts", Rule: rules.Rule{Action: rules.ActDrop}},
		{Name: rules.ActReset, Routes: routes, What: "reset before it acts", Rule: rules.Rule{Action: rules.ActReset}},
		{Name: rules.ActLose, Routes: routes, Acts: true, What: "acts, then cut instead of a reply", Rule: rules.Rule{Action: rules.ActLose}},
		{Name: rules.ActHang, Routes: routes, Acts: true, What: "held, then acts and replies", Rule: rules.Rule{Action: rules.ActHang}},
		{Name: rules.ActWithhold, Routes: routes, Acts: true, What: "acts, the reply is held", Rule: rules.Rule{Action: rules.ActWithhold}},
		{Name: rules.ActStall, Routes: routes, Acts: true, What: "acts, half of the reply, the rest is held", Rule: rules.Rule{Action: rules.ActStall}},
		{Name: rules.ActSlow, Routes: routes, Acts: true, What: "acts, the reply drips in 20 pieces", Rule: rules.Rule{Action: rules.ActSlow}},
	}
}

// RefusedCalls are answered by a gateway, and nothing happens.
func RefusedCalls(routes []string) []Fault {
	var list []Fault

	for _, code := range []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	} {
		list = append(list, Fault{
			Name: fmt.Sprintf("http_%d", code), Routes: routes, What: "does not act; " + strings.ToLower(http.StatusText(code)),
			Rule: rules.Rule{Action: rules.ActAnswer, Status: code},
		})
	}

	page := func(code int) rules.Rule {
		return rules.Rule{
			Action: rules.ActAnswer, Status: code, Headers: map[string]string{"Content-Type": "text/html"},
			Body: "<!doctype html><html><head><title>Just a moment…</title></head><body><h1>" + http.StatusText(code) + "</h1></body></html>",
		}
	}
	away := func(code int) rules.Rule {
		return rules.Rule{Action: rules.ActAnswer, Status: code, Headers: map[string]string{"Location": TrapPath}}
	}

	return append(list,
		Fault{Name: "html_200", Routes: routes, What: "does not act; a page of HTML as success", Rule: page(http.StatusOK)},
		Fault{Name: "html_502", Routes: routes, What: "does not act; a page of HTML as 502", Rule: page(http.StatusBadGateway)},
		Fault{Name: "redirect_302", Routes: routes, What: "does not act; redirects to the trap", Rule: away(http.StatusFound)},
		Fault{Name: "redirect_307", Routes: routes, What: "does not act; redirects to the trap, method and body kept", Rule: away(http.StatusTemporaryRedirect)},
	)
}

// SpoiledReplies have acted; the reply is not what it should be. Parsed are the routes whose replies are JSON.
func SpoiledReplies(routes, parsed []string) []Fault {
	ate := func(code int) rules.Rule {
		return rules.Rule{Action: rules.ActRewrite, Status: code, Headers: map[string]string{"Content-Type": "text/html"}, Body: "<html><h1>" + http.StatusText(code) + "</h1></html>"}
	}
	body := func(text string) rules.Rule { return rules.Rule{Action: rules.ActRewrite, Body: text} }
	header := func(name, value string) rules.Rule {
		return rules.Rule{Action: rules.ActRewrite, Headers: map[string]string{name: value}}
	}

	return []Fault{
		{Name: rules.ActTruncate, Routes: routes, Acts: true, What: "half of what was announced, then cut", Rule: rules.Rule{Action: rules.ActTruncate}},
		{Name: rules.ActHalve, Routes: routes, Acts: true, What: "half, as if it were all", Rule: rules.Rule{Action: rules.ActHalve}},
		{Name: rules.ActSpill, Routes: routes, Acts: true, What: "twice what was announced", Rule: rules.Rule{Action: rules.ActSpill}},
		{Name: rules.ActFlood, Routes: routes, Acts: true, What: "64 MiB instead of the reply", Rule: rules.Rule{Action: rules.ActFlood}},
		{Name: rules.ActGzipBomb, Routes: routes, Acts: true, What: "64 MiB packed into a few kilobytes", Rule: rules.Rule{Action: rules.ActGzipBomb}},
		{Name: "bad_gzip", Routes: routes, Acts: true, What: "says gzip and is not", Rule: header("Content-Encoding", "gzip")},
		{Name: "wrong_type", Routes: routes, Acts: true, What: "the right reply, called text/html", Rule: header("Content-Type", "text/html; charset=utf-8")},
		{Name: "acted_502", Routes: routes, Acts: true, What: "acts; the gateway says 502", Rule: ate(http.StatusBadGateway)},
		{Name: "acted_504", Routes: routes, Acts: true, What: "acts; the gateway says 504", Rule: ate(http.StatusGatewayTimeout)},
		{Name: "blank", Routes: parsed, Acts: true, What: "success with a blank body", Rule: body(" ")},
		{Name: "null", Routes: parsed, Acts: true, What: "the reply is null", Rule: body("null")},
		{Name: "empty_object", Routes: parsed, Acts: true, What: "the reply is {}", Rule: body("{}")},
		{Name: "wrong_members", Routes: parsed, Acts: true, What: "every member of the reply has the wrong type", Rule: body(""), Edit: falsifyTypes},
	}
}

func falsifyTypes(code int, reply map[string]any) int {
	for k, v := range reply {
		if _, isText := v.(string); isText {
			reply[k] = []any{1}
		} else {
			reply[k] = "none"
		}
	}

	return code
}

// CallFaults are all that can be done to calls of any vendor.
func CallFaults(routes, parsed []string) []Fault {
	return slices.Concat(LostCalls(routes), RefusedCalls(routes), SpoiledReplies(routes, parsed))
}
