package creemsim

// documentObjects gives objects the form that they have in the samples of Creem's documentation, where that is not
// the schema's: those within them too, in place. Its own SDK refuses most of them.
func documentObjects(value any) {
	switch value := value.(type) {
	case []object:
		for _, one := range value {
			documentObjects(one)
		}
	case object:
		if value["mode"] != nil {
			value["mode"] = "local"
		}

		switch value["object"] {
		case "product":
			deleteMembers(value, "object", "trial_period_days")
			value["image_url"] = nil
		case "transaction":
			if value["status"] == transactionChargedBack {
				value["status"] = "chargeback"
			}
		}

		for _, inner := range value {
			documentObjects(inner)
		}
	}
}

// documentEvent makes the object of an event as odd as the sample of its type.
func documentEvent(kind string, out object) {
	deleteMembers(out, "last_transaction", "discount", "units", "checkout_url", "success_url", "custom_price")

	switch kind {
	case "checkout.completed":
		documentOrder(out)
	case "refund.created":
		documentOrder(out)
		deleteInner(out, "transaction", "customer")
		deleteInner(out, "checkout", "product", "units", "checkout_url", "success_url")
	case "dispute.created":
		deleteInner(out, "checkout", "checkout_url", "success_url", "request_id", "metadata")
		deleteInner(out, "subscription", "last_transaction_id", "last_transaction_date", "next_transaction_date", "metadata")
	// Not canceled, whatever it says.
	case "subscription.active":
		deleteMembers(out, "items", "metadata", "last_transaction_id", "last_transaction_date", "next_transaction_date", "current_period_start_date", "current_period_end_date")

		out["canceled_at"] = out["created_at"]
	// Not active, whatever it says.
	case "subscription.expired":
		deleteMembers(out, "items", "metadata")

		out["status"], out["next_transaction_date"] = statusActive, out["current_period_end_date"]
	case "subscription.unpaid":
		deleteMembers(out, "items", "created_at", "updated_at", "last_transaction_date")
		deleteInner(out, "product", "created_at", "updated_at", "default_success_url", "description", "image_url")
		deleteInner(out, "customer", "created_at", "updated_at")
	case "subscription.paid", "subscription.past_due", "subscription.canceled", "subscription.scheduled_cancel":
		deleteMembers(out, "items")
	case "subscription.paused":
		documentUnpaid(out)
		deleteInner(out, "product", "image_url")

		if product, ok := out["product"].(object); ok {
			product["object"] = "product"
		}
	default: // trialing, update
		documentUnpaid(out)
	}
}

// documentUnpaid is for samples that say nothing of payments.
func documentUnpaid(out object) {
	deleteMembers(out, "metadata", "last_transaction_id", "last_transaction_date", "next_transaction_date")
}

// documentOrder is for samples whose order is the older, shorter one.
func documentOrder(out object) {
	deleteInner(out, "order", "object", "sub_total", "tax_amount", "amount_due", "amount_paid", "transaction", "discount", "discount_amount")
}

func deleteInner(from object, member string, names ...string) {
	if inner, ok := from[member].(object); ok {
		deleteMembers(inner, names...)
	}
}

func deleteMembers(from object, names ...string) {
	for _, name := range names {
		delete(from, name)
	}
}
