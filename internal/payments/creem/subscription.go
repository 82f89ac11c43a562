package creem

import (
	"context"
	"net/url"
	"strconv"

	"imagerun/internal/outbound"
	"imagerun/internal/payments"
)

// FindSubscription reads a subscription.
func (c *Client) FindSubscription(ctx context.Context, vendorID string) (payments.Subscription, error) {
	var got subscription
	if err := c.getEntity(ctx, "find_subscription", "/v1/subscriptions", url.Values{"subscription_id": {vendorID}}, vendorID, &got); err != nil {
		return payments.Subscription{}, err
	}

	return got.toSubscription(), nil
}

// ListSubscriptions reads one page of all subscriptions, from 1.
func (c *Client) ListSubscriptions(ctx context.Context, page int) (payments.Page[payments.Subscription], error) {
	return getPage(ctx, c, "list_subscriptions", "/v1/subscriptions/search", url.Values{}, page, subscription.toSubscription)
}

// CancelSubscription has a subscription end with its period.
func (c *Client) CancelSubscription(ctx context.Context, vendorID string) (payments.Subscription, error) {
	return c.changeSubscription(ctx, "cancel_subscription", vendorID, "/cancel", struct {
		Mode      string `json:"mode"`
		OnExecute string `json:"onExecute"` //nolint:tagliatelle // Creem's spelling, here alone
	}{"scheduled", "cancel"})
}

// ResumeSubscription has a subscription go on that is paused, or to end with its period.
func (c *Client) ResumeSubscription(ctx context.Context, vendorID string) (payments.Subscription, error) {
	return c.changeSubscription(ctx, "resume_subscription", vendorID, "/resume", nil)
}

// ChangeSubscription has a subscription be of another product. Now: the difference is charged, or given back, at once; else no
// money moves before the next period.
func (c *Client) ChangeSubscription(ctx context.Context, vendorID, vendorProductID string, now bool) (payments.Subscription, error) {
	behavior := "proration-none"
	if now {
		behavior = "proration-charge-immediately"
	}

	return c.changeSubscription(ctx, "change_subscription", vendorID, "/upgrade", struct {
		ProductID      string `json:"product_id"`
		UpdateBehavior string `json:"update_behavior"`
	}{vendorProductID, behavior})
}

// changeSubscription makes one call that changes a subscription, and returns what it then is.
func (c *Client) changeSubscription(ctx context.Context, operation, vendorID, suffix string, body any) (payments.Subscription, error) {
	if !isVendorID(vendorID) {
		return payments.Subscription{}, newError(payments.NotFound, errID)
	}

	var got subscription
	if err := c.postCall(ctx, payments.Unknown, operation, "/v1/subscriptions/"+vendorID+suffix, body, &got); err != nil {
		return payments.Subscription{}, err
	}

	if err := requireID(payments.Unknown, vendorID, got); err != nil {
		return payments.Subscription{}, err
	}

	return got.toSubscription(), nil
}

// pageOf is a page of a list.
type pageOf[W entity] struct {
	Items      *[]W `json:"items"`
	Pagination *struct {
		TotalPages int `json:"total_pages"`
		NextPage   int `json:"next_page"`
	} `json:"pagination"`
}

// getPage reads one page of a list. A page that is not whole is an error: what is not on it would be taken for not being there.
func getPage[W entity, T any](
	ctx context.Context, c *Client, operation, path string, query url.Values, page int, convert func(W) T,
) (payments.Page[T], error) {
	query.Set("page_number", strconv.Itoa(page))
	query.Set("page_size", strconv.Itoa(c.o.PageSize))

	var got pageOf[W]
	if err := c.getAnswer(ctx, operation, path, query, &got); err != nil {
		return payments.Page[T]{}, err
	}

	if got.Items == nil {
		return payments.Page[T]{}, newError(payments.Transient, outbound.ErrMalformedReply)
	}

	out := payments.Page[T]{Items: make([]T, 0, len(*got.Items)), Next: got.nextAfter(page)}

	for _, item := range *got.Items {
		if err := requireID(payments.Transient, "", item); err != nil {
			return payments.Page[T]{}, err
		}

		out.Items = append(out.Items, convert(item))
	}

	return out, nil
}

// nextAfter is the number of the page after one; zero: there is none. Without a word about it only an empty page is the last.
func (p pageOf[W]) nextAfter(page int) int {
	more := len(*p.Items) > 0
	if p.Pagination != nil {
		more = p.Pagination.NextPage > page || p.Pagination.TotalPages > page
	}

	if !more {
		return 0
	}

	return page + 1
}
