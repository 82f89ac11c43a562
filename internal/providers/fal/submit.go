package fal

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"imagerun/internal/outbound"
	"imagerun/internal/providers"
)

// Submit puts a request into fal's queue, once. fal has no idempotency key, so whatever leaves
// the outcome open is [providers.Unknown].
func (c *Client) Submit(ctx context.Context, r providers.Request) (providers.Ticket, error) {
	target := c.o.QueueURL + "/" + strings.Trim(r.Endpoint, "/")
	if r.CallbackURL != "" {
		target += "?fal_webhook=" + url.QueryEscape(r.CallbackURL)
	}

	re, err := c.callWithKey(ctx, c.o.Key, outbound.Call{
		Operation: "submit", Method: http.MethodPost, URL: target, Header: submitHeader(r), Body: r.Input,
	})

	switch {
	// There was no connection: nothing happened.
	case outbound.SentOf(err) == outbound.NotSent:
		return providers.Ticket{}, newCallError(providers.Transient, codeProvider, err)
	// It was sent, and no whole answer came: it may be accepted.
	case err != nil:
		return providers.Ticket{}, newCallError(providers.Unknown, codeProvider, err)
	// It was answered, and not by a 2xx.
	case !re.OK():
		return providers.Ticket{}, submitRefusal(re)
	}

	var accepted struct {
		RequestID   string `json:"request_id"`
		StatusURL   string `json:"status_url"`
		ResponseURL string `json:"response_url"`
		CancelURL   string `json:"cancel_url"`
	}
	if err := json.Unmarshal(re.Body, &accepted); err != nil || accepted.RequestID == "" {
		return providers.Ticket{}, newError(providers.Unknown, codeProvider, re.Status, outbound.ErrMalformedReply)
	}

	return providers.Ticket{
		Endpoint: r.Endpoint, RequestID: accepted.RequestID,
		StatusURL: accepted.StatusURL, ResponseURL: accepted.ResponseURL, CancelURL: accepted.CancelURL,
	}, nil
}

// submitHeader says how the request is to be treated. https://fal.ai/docs (common parameters)
func submitHeader(r providers.Request) http.Header {
	h := http.Header{}
	h.Set("X-Fal-No-Retry", "1")                // retrying is ours
	h.Set("X-Fal-Store-Io", "0")                // keep neither prompt nor result
	h.Set("X-App-Fal-Disable-Fallback", "true") // no other model than the one that was asked for
	h.Set("X-Fal-Tags", "attempt="+r.AttemptID.String())

	if r.StartTimeout > 0 {
		h.Set("X-Fal-Request-Start-Timeout", strconv.FormatFloat(r.StartTimeout.Seconds(), 'f', -1, 64))
	}

	if r.KeepFor > 0 {
		h.Set("X-Fal-Object-Lifecycle-Preference", `{"expiration_duration_seconds":`+strconv.FormatInt(int64(r.KeepFor.Seconds()), 10)+`}`)
	}

	return h
}

// submitRefusal sorts an answer that is not 2xx. fal documents no sign by which a 5xx could be
// told to have come before the request was accepted, so none of them counts as refused.
func submitRefusal(re reply) error {
	switch {
	// Our key or our balance: no submit of ours would fare better.
	case re.Status == http.StatusUnauthorized || re.Status == http.StatusForbidden:
		return newError(providers.Account, codeProvider, re.Status, re.loggableError())
	// fal is full: it comes again later.
	case re.Status == http.StatusTooManyRequests:
		return newError(providers.Busy, codeProvider, re.Status, re.loggableError())
	// A redirect, which is not followed: it was not accepted.
	case re.Status >= 300 && re.Status < 400:
		return newError(providers.Transient, codeProvider, re.Status, re.loggableError())
	// It may have been accepted before this was said.
	case re.Status == http.StatusRequestTimeout || re.Status == statusClientClosed || re.Status >= 500:
		return newError(providers.Unknown, codeProvider, re.Status, re.loggableError())
	// Any other 4xx is about this request.
	default:
		return newError(providers.Rejected, re.failureCode(), re.Status, re.loggableError())
	}
}
