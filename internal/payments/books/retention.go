package books

import "imagerun/internal/retention"

// Retention is what is kept of payments, and for how long: seven years, by the law on books, under a random name.
func (b *Books) Retention() []retention.Class {
	const paid = 7 * retention.Year

	return []retention.Class{{
		Name: "payment",
		Tables: []retention.Table{
			{Name: "payment_change", Columns: []string{"from_product", "status", "to_product"}},
			{Name: "payment_checkout", Columns: []string{"currency", "product_id", "status", "url", "vendor_id", "waiver"}, After: paid},
			{Name: "payment_difference", Columns: []string{"about", "actor", "kind", "status"}, After: paid},
			{Name: "payment_order", Columns: []string{
				"currency", "customer_mask", "email", "kind", "order_id", "product_id", "transaction_id",
			}, After: paid},
			{Name: "payment_plan", Columns: []string{"plan"}, After: paid},
			{Name: "payment_refund", Columns: []string{"actor", "reason", "status"}},
			{Name: "payment_scan", Columns: []string{"name"}},
			{Name: "payment_subscription", Columns: []string{"customer_id", "product_id", "status", "vendor_id"}, After: paid},
			{Name: "payment_withdrawal", Columns: []string{"content", "hash", "previous_hash"}, After: paid},
		},
		NotYet: "no payment is so old: the books are purged together with the ledger, whose postings they explain",
	}}
}
