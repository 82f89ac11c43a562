package fal

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"imagerun/internal/outbound"
	"imagerun/internal/providers"
)

// billedAtOnce is how many billing events a page is asked to have: a quarter of a megabyte, where fal would give 10,000.
const billedAtOnce = "1000"

var _ providers.Biller = (*Client)(nil)

// BillingEvents lists what fal charged, a page of it. It needs a key with the ADMIN scope; the span of time may be 90 days.
// https://fal.ai/docs/platform-apis/v1/models/billing-events
func (c *Client) BillingEvents(ctx context.Context, q providers.BillingQuery) (providers.BillingPage, error) {
	query := url.Values{
		"start": {q.From.UTC().Format(time.RFC3339Nano)}, "end": {q.To.UTC().Format(time.RFC3339Nano)}, "limit": {billedAtOnce},
	}

	if len(q.RequestIDs) > 0 {
		query["request_id"] = q.RequestIDs
	}

	if q.Cursor != "" {
		query.Set("cursor", q.Cursor)
	}

	re, err := c.readAnswerAsAdmin(ctx, "billing_events", http.MethodGet, c.o.APIURL+"/models/billing-events?"+query.Encode())
	if err != nil {
		return providers.BillingPage{}, err
	} else if !re.OK() {
		return providers.BillingPage{}, readRefusal(re)
	}

	var said struct {
		Events     *[]billingEvent `json:"billing_events"`
		NextCursor string          `json:"next_cursor"`
		HasMore    bool            `json:"has_more"`
	}

	err = json.Unmarshal(re.Body, &said)
	// More without a way to it, or the way back to where we are.
	if err != nil || said.Events == nil || said.HasMore && (said.NextCursor == "" || said.NextCursor == q.Cursor) {
		return providers.BillingPage{}, newError(providers.Transient, codeProvider, re.Status, outbound.ErrMalformedReply)
	}

	page := providers.BillingPage{Events: make([]providers.BillingEvent, 0, len(*said.Events))}
	if said.HasMore {
		page.Next = said.NextCursor
	}

	for _, e := range *said.Events {
		event, ok := e.toBillingEvent()
		if !ok { // what is skipped would be taken for not billed
			return providers.BillingPage{}, newError(providers.Transient, codeProvider, re.Status, outbound.ErrMalformedReply)
		}

		page.Events = append(page.Events, event)
	}

	return page, nil
}

// billingEvent is what is read of fal's. The estimate is the total after discounts, in billionths of a dollar.
type billingEvent struct {
	RequestID  string      `json:"request_id"`
	EndpointID string      `json:"endpoint_id"`
	Timestamp  time.Time   `json:"timestamp"`
	Units      json.Number `json:"output_units"`
	NanoUSD    json.Number `json:"cost_estimate_nano_usd"`
}

func (e billingEvent) toBillingEvent() (providers.BillingEvent, bool) {
	// Whole up to nine million dollars, also as 1e8.
	cost, err := strconv.ParseFloat(e.NanoUSD.String(), 64)

	return providers.BillingEvent{
		RequestID: e.RequestID, Endpoint: e.EndpointID, At: e.Timestamp, Units: e.Units.String(), NanoUSD: int64(math.Round(cost)),
	}, err == nil && math.Abs(cost) < 1<<53 && e.RequestID != "" && !e.Timestamp.IsZero() && providers.IsUnits(e.Units.String())
}
