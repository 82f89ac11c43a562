package creem

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"

	"imagerun/internal/outbound"
	"imagerun/internal/payments"
)

// FindTransaction reads a transaction.
func (c *Client) FindTransaction(ctx context.Context, vendorID string) (payments.Transaction, error) {
	var got transaction
	if err := c.getEntity(ctx, "find_transaction", "/v1/transactions", url.Values{"transaction_id": {vendorID}}, vendorID, &got); err != nil {
		return payments.Transaction{}, err
	}

	return got.toTransaction(), nil
}

// ListTransactions reads one page of the transactions that pass the filter, from 1.
func (c *Client) ListTransactions(ctx context.Context, f payments.TransactionFilter, page int) (payments.Page[payments.Transaction], error) {
	query := url.Values{}

	for name, value := range map[string]string{"customer_id": f.CustomerID, "order_id": f.OrderID, "product_id": f.ProductID} {
		if value != "" {
			query.Set(name, value)
		}
	}

	return getPage(ctx, c, "list_transactions", "/v1/transactions/search", query, page, transaction.toTransaction)
}

// Refund has all of a transaction paid back: Creem's API knows no part. Success says that it was taken on, not that it is done.
func (c *Client) Refund(ctx context.Context, transactionID string) error {
	if !isVendorID(transactionID) {
		return newError(payments.NotFound, errID)
	}

	var got struct {
		Status string `json:"status"`
	}

	body := map[string]string{"transaction_id": transactionID}
	if err := c.postCall(ctx, payments.Unknown, "refund", "/v1/refunds", body, &got); err != nil {
		return err
	}

	switch normalizeWord(got.Status) {
	case "":
		return newError(payments.Unknown, outbound.ErrMalformedReply)
	case "failed", wordCanceled:
		return newError(payments.Rejected, errRefund)
	default:
		return nil
	}
}

// maxFeed is how many events of the feed are read at once: the most that Creem gives.
const maxFeed = "100"

// ListEvents reads the oldest events that a webhook endpoint of delivery mode "cli" holds.
func (c *Client) ListEvents(ctx context.Context, endpointID string) ([]payments.FeedEvent, error) {
	if !isVendorID(endpointID) {
		return nil, newError(payments.NotFound, errID)
	}

	var got struct {
		Items *[]feedEvent `json:"items"`
	}
	if err := c.getAnswer(ctx, "list_events", "/v1/webhooks/"+endpointID+"/events/pending", url.Values{"limit": {maxFeed}}, &got); err != nil {
		return nil, err
	}

	if got.Items == nil {
		return nil, newError(payments.Transient, outbound.ErrMalformedReply)
	}

	events := make([]payments.FeedEvent, 0, len(*got.Items))
	for _, item := range *got.Items {
		if err := requireID(payments.Transient, "", item); err != nil {
			return nil, err
		}

		events = append(events, payments.FeedEvent{ID: item.ID, Type: item.Type, Body: item.Body})
	}

	return events, nil
}

// AckEvent has the feed forget an event, for good: call it when the event is kept. It may be called again.
func (c *Client) AckEvent(ctx context.Context, endpointID, eventID string) error {
	if !isVendorID(endpointID) || !isVendorID(eventID) {
		return newError(payments.NotFound, errID)
	}

	return c.postCall(ctx, payments.Transient, "ack_event", "/v1/webhooks/"+endpointID+"/events/"+eventID+"/ack", struct {
		StatusCode   int    `json:"status_code"`
		ResponseBody string `json:"response_body"`
	}{StatusCode: 200}, nil)
}

// feedEvent is an event of the feed.
type feedEvent struct {
	identity

	Type string   `json:"event_type"`
	Body feedBody `json:"body"`
}

// feedBody is an event's body, which the feed gives as a text.
type feedBody []byte

// UnmarshalJSON implements [json.Unmarshaler].
func (f *feedBody) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*f = feedBody(text)

		return nil
	}

	*f = bytes.Clone(b)

	return nil
}
