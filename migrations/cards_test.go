package migrations_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

var (
	// ofCard is what columns are called that have a card, or a bank account, or a part of one.
	ofCard = regexp.MustCompile(`(^|_)(cards?\d*|cardholder|cardnumber|creditcard|pan|cv[cv]2?|csc|iban|bic|swift|last_?(4|four)|` +
		`(expiry|expiration|exp)_?(month|year|mm|yy)|(account|routing|bank)_(number|no)|sort_code)(_|$)`)
	capital = regexp.MustCompile(`[A-Z]`)
)

// isOfCard reports whether a column is called as one that has a card, in either spelling: card_number, cardNumber.
func isOfCard(column string) bool {
	return ofCard.MatchString(strings.ToLower(capital.ReplaceAllString(column, "_$0")))
}

// Cards and bank accounts are the vendor's: we have no place for one, in any table of any schema.
func TestColumns_NoneIsOfACard(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	columns := column(t, devtest.Pool(t, owner), `
		select format('%I.%I %s', table_schema, table_name, column_name) from information_schema.columns
		 where table_schema <> 'information_schema' and table_schema not like 'pg\_%' order by 1`)
	require.Greater(t, len(columns), 300, "too few to judge")

	for _, c := range columns {
		_, name, _ := strings.Cut(c, " ")
		require.False(t, isOfCard(name), c)
	}
}

// The search above must be able to find something, and not everything.
func TestColumns_NoneIsOfACard_Finds(t *testing.T) {
	t.Parallel()

	for _, name := range []string{
		"card", "card_number", "cardNumber", "payment_card_id", "cards", "cardholder_name", "pan", "pan_hash", "cvc", "cvv2", "iban", "customer_iban", "bic",
		"last4", "last_4", "cardLast4", "last_four", "expiry_month", "expiryMonth", "exp_year", "account_number", "accountNumber", "sort_code",
	} {
		require.True(t, isOfCard(name), name)
	}

	for _, name := range []string{"expires_at", "expiresAt", "discarded", "wildcard", "span", "panel", "company", "account_id", "last_used_at", "number", "period_end"} {
		require.False(t, isOfCard(name), name)
	}
}

// A column that could have what a person typed at the checkout is decided about here, and what it has is said in its comment: a new one of payments is a
// decision, since what is written there stays for seven years.
func TestColumns_OfPaymentsAreDecided(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, owner)

	require.Equal(t, []string{
		// Words of closed lists, and ids of products and plans, which are ours.
		"payment_change.from_product", "payment_change.status", "payment_change.to_product",
		"payment_checkout.currency", "payment_checkout.product_id", "payment_checkout.status",
		// The address of the page to pay at, until the checkout ends; the vendor's id of it; our own words, which were agreed to.
		"payment_checkout.url", "payment_checkout.vendor_id", "payment_checkout.waiver",
		// An id of ours or of the vendor's; an operator's login.
		"payment_difference.about", "payment_difference.actor", "payment_difference.kind", "payment_difference.status",
		// The last letters of the vendor's id of the person, and the address that was given to the vendor: all that an order has of them.
		"payment_order.currency", "payment_order.customer_mask", "payment_order.email", "payment_order.kind", "payment_order.order_id",
		"payment_order.product_id", "payment_order.transaction_id",
		"payment_plan.plan",
		"payment_refund.actor", "payment_refund.reason", "payment_refund.status",
		"payment_scan.name",
		// The vendor's id of the person.
		"payment_subscription.customer_id", "payment_subscription.product_id", "payment_subscription.status", "payment_subscription.vendor_id",
		// The declaration, in words of ours, and the chain of hashes.
		"payment_withdrawal.content", "payment_withdrawal.hash", "payment_withdrawal.previous_hash",
	}, column(t, pool, undecided))

	_, err := pool.Exec(t.Context(), `create table payment_note (id uuid, a text, b jsonb, c bytea, d inet, e text[], f numeric, g bigint)`)
	require.NoError(t, err)

	found := strings.Join(column(t, pool, undecided), " ")
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		require.Contains(t, found, "payment_note."+name)
	}
}

// undecided lists the columns of payments that can have more than a number, a time, yes or no, or a random id.
const undecided = `
select table_name || '.' || column_name from information_schema.columns
 where table_schema = 'public' and table_name like 'payment\_%' and data_type not in ('uuid', 'bigint', 'integer', 'boolean', 'timestamp with time zone')
 order by table_name, column_name`
