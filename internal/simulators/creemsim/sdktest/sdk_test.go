package sdktest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

func TestSDK_ChecksOut(t *testing.T) {
	t.Parallel()

	got, sim := run[struct {
		Discount       entity            `json:"discount"`
		Created        entity            `json:"created"`
		Paid           map[string]string `json:"paid"`
		Completed      entity            `json:"completed"`
		Subscription   string            `json:"subscription"`
		OfSubscription entity            `json:"ofSubscription"`
	}](t, "checkout")

	require.Equal(t, "pending", got.Created.Status)
	require.Equal(t, "req-1", got.Created.RequestID)
	require.True(t, strings.HasSuffix(got.Created.CheckoutURL, "/checkout/"+got.Created.ID))
	require.Equal(t, map[string]any{"user_id": "usr_1"}, got.Created.Metadata)
	require.InDelta(t, 1, read(got.Created.CustomFields[0]["text"], "minimumLength"), 0)

	require.Equal(t, "completed", got.Completed.Status)
	require.Equal(t, got.Paid["order_id"], read(got.Completed.Order, "id"))
	require.InDelta(t, 2178, read(got.Completed.Order, "amountPaid"), 0, "twice 10, less a tenth, and tax")
	require.Equal(t, got.Discount.ID, read(got.Completed.Order, "discount"))
	require.Equal(t, got.Subscription, got.OfSubscription.Subscription)

	for _, call := range sim.Requests(creemsim.RouteCheckout) {
		require.Equal(t, http.StatusOK, call.Status)
	}
}

func TestSDK_KeepsProducts(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		Created, Again, Got, Updated, Archived entity
		Active, All                            []entity
	}](t, "products")

	require.Equal(t, got.Created.ID, got.Again.ID)
	require.Equal(t, "once", got.Got.BillingPeriod)
	require.EqualValues(t, 2900, got.Updated.Price)
	require.Equal(t, "archived", got.Archived.Status)
	require.Len(t, got.Active, 4)
	require.Len(t, got.All, 5)
}

func TestSDK_KeepsCustomers(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		Created, Updated                        entity
		ByID                                    entity `json:"byId"`
		ByEmail                                 entity `json:"byEmail"`
		Listed, Orders, Subscriptions, Licenses []entity
		Portal                                  map[string]string
	}](t, "customers")

	require.Equal(t, []string{"ada@example.com", "Ada", "usr_1"}, []string{got.Created.Email, got.Created.Name, got.Created.ExternalID})
	require.Equal(t, []string{"Countess", ""}, []string{got.Updated.Name, got.Updated.ExternalID})
	require.Equal(t, got.Created.ID, got.ByID.ID)
	require.Equal(t, got.Created.ID, got.ByEmail.ID)
	require.Equal(t, []string{got.Created.ID}, listIDs(got.Listed))
	require.Len(t, got.Orders, 1)
	require.Len(t, got.Subscriptions, 1)
	require.Empty(t, got.Licenses)
	require.Contains(t, got.Portal["customerPortalLink"], got.Created.ID)
}

func TestSDK_ChangesSubscriptions(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		Steps, Found []entity
		Trial        entity
	}](t, "subscriptions")

	require.Equal(t, []string{"scheduled_cancel", "active", "paused", "active", "active", "active", "active", "canceled"}, listStatuses(got.Steps))
	require.Equal(t, dearer, read(got.Steps[4].Product, "id"))
	require.Equal(t, []item{{ProductID: dearer, Units: 3}}, got.Steps[5].Items)
	require.InDelta(t, 3*3630, read(got.Steps[6].LastTransaction, "amountPaid"), 0, "the renewal")
	require.NotEmpty(t, got.Steps[6].NextTransaction)
	require.Empty(t, got.Steps[7].NextTransaction)
	require.Equal(t, "trialing", got.Trial.Status)
	require.Equal(t, []string{got.Trial.ID, got.Steps[0].ID}, listIDs(got.Found), "pages of one")
}

func TestSDK_FindsTransactions(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		Bought        []string
		Refunded, Got entity
		Found         []entity
		OfOrder       []entity `json:"ofOrder"`
		OfCustomer    []entity `json:"ofCustomer"`
		OfProduct     []entity `json:"ofProduct"`
	}](t, "transactions")

	require.Equal(t, "succeeded", got.Refunded.Status)
	require.Equal(t, []any{"refunded", "payment", int64(1210)}, []any{got.Got.Status, got.Got.Type, got.Got.AmountPaid})
	require.Len(t, got.Found, 8, "five packs, a month and two more")
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(listIDs(got.Found)))), 8)
	require.Len(t, got.OfOrder, 3)
	require.Len(t, got.OfCustomer, 8)
	require.Equal(t, []string{"paid", "paid", "paid", "chargedBack", "refunded"}, listStatuses(got.OfProduct), "the newest first")
}

func TestSDK_KeepsDiscounts(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		Fixed, Half, Deleted entity
		ByID                 entity `json:"byId"`
		ByCode               entity `json:"byCode"`
		Found                []entity
	}](t, "discounts")

	require.NotEmpty(t, got.Fixed.Code, "one is made")
	require.Equal(t, 3, got.Fixed.DurationInMonths)
	require.Equal(t, "2099-01-01T00:00:00.000Z", got.Fixed.ExpiryDate)
	require.Equal(t, got.Fixed.ID, got.ByID.ID)
	require.Equal(t, got.Half.ID, got.ByCode.ID)
	require.Equal(t, "deleted", got.Deleted.Status)
	require.Equal(t, []string{got.Fixed.ID}, listIDs(got.Found))
}

func TestSDK_AddsUp(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		Totals, Periods struct {
			Totals  map[string]int64
			Periods []map[string]int64
		}
	}](t, "stats")

	require.EqualValues(t, 2420, got.Totals.Totals["totalRevenue"])
	require.EqualValues(t, 1000, got.Totals.Totals["monthlyRecurringRevenue"])
	require.Empty(t, got.Totals.Periods)
	require.Len(t, got.Periods.Periods, 4)
}

func TestSDK_Moderates(t *testing.T) {
	t.Parallel()

	type verdict struct {
		Decision   string
		ExternalID string `json:"externalId"`
		Usage      struct{ Units int }
	}

	got, _ := run[struct {
		Allowed, Bare, Flagged, Denied verdict
		Failed                         failure
	}](t, "moderation")

	require.Equal(t, []string{"allow", "allow", "flag", "deny"}, []string{got.Allowed.Decision, got.Bare.Decision, got.Flagged.Decision, got.Denied.Decision})
	require.Equal(t, "gen_1", got.Allowed.ExternalID)
	require.Equal(t, []int{1, 0}, []int{got.Allowed.Usage.Units, got.Bare.Usage.Units})
	require.Equal(t, http.StatusInternalServerError, got.Failed.Status)
}

func TestSDK_KeepsEndpointsAndReadsTheFeed(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		Created, Got, Secret, Updated, Deleted, Feed entity
		Listed                                       []entity
		Pending, Left                                []string
		Acks                                         []struct{ Success bool }
	}](t, "endpoints")

	require.NotEmpty(t, got.Created.Secret)
	require.Equal(t, got.Created.Secret, got.Secret.Secret)
	require.Empty(t, got.Got.Secret)
	require.Equal(t, []string{got.Created.ID}, listIDs(got.Listed))
	require.Equal(t, "disabled", got.Updated.Status)
	require.Equal(t, got.Created.ID, got.Deleted.ID)
	require.Equal(t, "cli", got.Feed.DeliveryMode)
	require.Equal(t, []string{"checkout.completed", "subscription.active", "subscription.paid"}, got.Pending)
	require.Equal(t, []struct{ Success bool }{{true}, {false}}, got.Acks)
	require.Equal(t, []string{"subscription.paid"}, got.Left)
}

// One shape of errors arrives as the client's plain error with the body, the other as its typed one.
func TestSDK_KnowsBothShapesOfErrors(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		Account, Booked, Credited, Replayed                 entity
		Balance                                             struct{ Balance string }
		Conflict, Insufficient, Missing, Invalid, Forbidden failure
	}](t, "errors")

	require.Equal(t, "active", got.Account.Status)
	require.Equal(t, got.Booked.ID, got.Replayed.ID)
	require.Equal(t, "65", got.Balance.Balance)

	require.Equal(t, failure{"CustomerCreditsErrorResponseDto", http.StatusConflict, got.Conflict.Body, "idempotency_conflict"}, got.Conflict)
	require.Equal(t, failure{"APIError", http.StatusUnprocessableEntity, got.Insufficient.Body, ""}, got.Insufficient)
	require.Equal(t, "insufficient_balance", read(got.Insufficient.Body["error"], "code"))

	for _, plain := range []struct {
		f      failure
		status int
		title  string
	}{
		{got.Missing, http.StatusNotFound, "Bad Request"},
		{got.Invalid, http.StatusBadRequest, "Bad Request"},
		{got.Forbidden, http.StatusForbidden, "Forbidden"},
	} {
		require.Equal(t, "APIError", plain.f.Name)
		require.Equal(t, plain.status, plain.f.Status)
		require.Equal(t, plain.title, plain.f.Body["error"])
	}

	require.Equal(t, []any{"units must not be less than 1"}, got.Invalid.Body["message"])
}

type lived struct{ Told, Verified, Parsed, Errors []string }

// The client's verifier and its strict parser take every delivery of a whole life, of all types.
func TestSDK_TakesEveryDelivery(t *testing.T) {
	t.Parallel()

	got, _ := run[lived](t, "life")

	require.Empty(t, got.Errors)
	require.Len(t, got.Verified, len(got.Told))
	require.ElementsMatch(t, got.Told, got.Parsed)
	require.Equal(t, []string{
		"checkout.completed", "dispute.created", "refund.created", "subscription.active", "subscription.canceled", "subscription.expired",
		"subscription.paid", "subscription.past_due", "subscription.paused", "subscription.scheduled_cancel", "subscription.trialing",
		"subscription.unpaid", "subscription.update",
	}, slices.Compact(slices.Sorted(slices.Values(got.Parsed))))
}

// It verifies the documented form, and its parser refuses all of it: the mode alone is none that it knows.
func TestSDK_RefusesTheDocumentedForm(t *testing.T) {
	t.Parallel()

	got, _ := run[lived](t, "documented")

	require.Len(t, got.Verified, 3)
	require.Empty(t, got.Parsed)
	require.Len(t, got.Errors, 3)
}
