package creemsim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"imagerun/internal/simulators/kit/knobs"
)

// noTrace is the id of errors that a rule or chaos makes.
const noTrace = "00000000-0000-4000-8000-000000000000"

// problem is a refusal in Creem's own words.
type problem struct {
	status   int
	title    string
	messages []string // empty: the member is left out, as Creem does
	code     string   // of the endpoints for credits, whose errors have another shape; empty: of the others
}

func (p *problem) Error() string { return p.title + ": " + strings.Join(p.messages, "; ") }

func badRequest(messages ...string) error {
	return &problem{status: http.StatusBadRequest, title: "Bad Request", messages: messages}
}

// notFound says "Bad Request" beside the status 404, as the live API was seen to do.
func notFound(messages ...string) error {
	return &problem{status: http.StatusNotFound, title: "Bad Request", messages: messages}
}

// renderBody is the error body that most of Creem's endpoints have. https://docs.creem.io/api-reference/error-codes
// (read 2026-11)
func (p *problem) renderBody(trace string, at time.Time) object {
	body := object{"trace_id": trace, "status": p.status, "error": p.title, "timestamp": at.UnixMilli()}
	if len(p.messages) > 0 {
		body["message"] = p.messages
	}

	return body
}

// refuseCall answers with an error. Any other than a problem is the caller's fault as well. The caller holds mu.
func (s *Sim) refuseCall(w http.ResponseWriter, err error) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = &problem{status: http.StatusBadRequest, title: "Bad Request", messages: []string{err.Error()}}
	}

	if p.code != "" {
		knobs.Answer(w, p.status, p.renderCredits(s.newID("req")))

		return
	}

	knobs.Answer(w, p.status, p.renderBody(s.NewID(), s.Clock.Now()))
}

// refusalBody is the body that Creem gives a status when a rule or chaos refuses a call.
func refusalBody(route string, code int) string {
	p := &problem{status: code, title: http.StatusText(code)}
	body := p.renderBody(noTrace, time.UnixMilli(0))

	if route == RouteCredits {
		p.code, p.messages = "refused", []string{p.title}
		body = p.renderCredits("req_" + noTrace)
	}

	text, err := json.Marshal(body)
	if err != nil {
		return "{}"
	}

	return string(text)
}
