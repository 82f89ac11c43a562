package fal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"imagerun/internal/outbound"
	"imagerun/internal/providers"
)

// maxPages bounds Find: 10,000 requests. Its callers ask for windows of a few minutes.
const maxPages = 100

var errTooMany = errors.New("window holds too many requests")

// Cancel asks fal to stop. It may be repeated.
func (c *Client) Cancel(ctx context.Context, t providers.Ticket) (providers.CancelOutcome, error) {
	re, err := c.readAnswer(ctx, "cancel", http.MethodPut, c.requestURL(t, t.CancelURL, "/cancel"))
	if err != nil {
		return "", err
	}

	var said struct {
		Status  string `json:"status"`
		Success bool   `json:"success"` // as older pages have it: whether it had begun, it does not say
	}

	_ = json.Unmarshal(re.Body, &said) // what cannot be read says nothing

	switch {
	case said.Status == "ALREADY_COMPLETED":
		return providers.CancelTooLate, nil
	case re.Status == http.StatusNotFound:
		return providers.CancelNotFound, nil
	case re.Status == http.StatusAccepted || said.Status == "CANCELLATION_REQUESTED" || said.Success:
		return providers.CancelRequested, nil
	case re.OK() && said.Status == "OK":
		return providers.CancelRemoved, nil
	default: // a success that says nothing is no proof that it never ran
		return "", readRefusal(re)
	}
}

// Find lists our requests for an endpoint that were sent in a window, running ones included.
// It reads page after page; a list that would be incomplete is an error, because what is not
// on it would be taken for not submitted.
func (c *Client) Find(ctx context.Context, endpoint string, from, to time.Time) ([]providers.Found, error) {
	query := url.Values{
		"endpoint_id": {endpoint}, "limit": {"100"},
		"start": {from.UTC().Format(time.RFC3339Nano)}, "end": {to.UTC().Format(time.RFC3339Nano)},
	}

	var found []providers.Found

	for range maxPages {
		re, err := c.readAnswer(ctx, "find", http.MethodGet, c.o.APIURL+"/models/requests/by-endpoint?"+query.Encode())
		if err != nil {
			return nil, err
		} else if !re.OK() {
			return nil, readRefusal(re)
		}

		var page struct {
			Items *[]struct {
				RequestID string     `json:"request_id"`
				SentAt    *time.Time `json:"sent_at"`
				EndedAt   *time.Time `json:"ended_at"`
			} `json:"items"`
			NextCursor *string `json:"next_cursor"`
			HasMore    bool    `json:"has_more"`
		}
		if err := json.Unmarshal(re.Body, &page); err != nil || page.Items == nil {
			return nil, newError(providers.Transient, codeProvider, re.Status, outbound.ErrMalformedReply)
		}

		for _, item := range *page.Items {
			f := providers.Found{RequestID: item.RequestID, Done: item.EndedAt != nil}
			if item.SentAt != nil {
				f.CreatedAt = *item.SentAt
			}

			found = append(found, f)
		}

		if !page.HasMore {
			return found, nil
		}

		// More without a way to it, or the way back to where we are.
		if page.NextCursor == nil || *page.NextCursor == "" || *page.NextCursor == query.Get("cursor") {
			return nil, newError(providers.Transient, codeProvider, re.Status, outbound.ErrMalformedReply)
		}

		query.Set("cursor", *page.NextCursor)
	}

	return nil, newError(providers.Transient, codeProvider, 0, errTooMany)
}

// Erase deletes what fal keeps of a request: its input, its result and the result's files. It
// may be repeated; a file that could not be deleted is an error.
func (c *Client) Erase(ctx context.Context, requestID string) error {
	re, err := c.readAnswerAsAdmin(ctx, "erase", http.MethodDelete, c.o.APIURL+"/models/requests/"+url.PathEscape(requestID)+"/payloads")

	switch {
	case err != nil:
		return err
	case re.Status == http.StatusNotFound || re.Status == http.StatusNoContent:
		return nil
	case !re.OK():
		return readRefusal(re)
	}

	var said struct {
		Results *[]struct {
			Exception json.RawMessage `json:"exception"`
		} `json:"cdn_delete_results"`
	}
	if err := json.Unmarshal(re.Body, &said); err != nil || said.Results == nil {
		return newError(providers.Transient, codeProvider, re.Status, outbound.ErrMalformedReply)
	}

	for _, r := range *said.Results {
		if len(r.Exception) > 0 && string(r.Exception) != "null" {
			return newError(providers.Transient, codeProvider, re.Status, errNotDeleted)
		}
	}

	return nil
}
