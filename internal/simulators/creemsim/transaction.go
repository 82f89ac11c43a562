package creemsim

import "time"

// The states of a transaction.
const (
	transactionPaid        = "paid"
	transactionRefunded    = "refunded"
	transactionPartly      = "partialRefund"
	transactionChargedBack = "chargedBack"
	transactionDeclined    = "declined"
)

// transaction is money that moved, or should have.
type transaction struct {
	id           string
	order        *order
	checkout     *checkout
	subscription *subscription // nil: bought once
	price        price
	status       string
	refunded     int64     // came back, or is charged back
	underWay     int64     // of refunds that are pending
	start, end   time.Time // of the period that it pays; zero: bought once
	created      time.Time
}

// addTransaction books a payment of an order.
func (s *Sim) addTransaction(t transaction) *transaction {
	t.id = s.newID("tran")
	s.transactions = append(s.transactions, &t)

	return &t
}

func (s *Sim) findTransaction(id string) (*transaction, error) {
	for _, t := range s.transactions {
		if t.id == id {
			return t, nil
		}
	}

	return nil, notFound("Transaction not found")
}

func renderTransaction(t *transaction) object {
	out := object{
		"id": t.id, "mode": modeTest, "object": "transaction", "amount": t.price.subTotal, "currency": t.order.product.Currency,
		"type": "payment", "tax_country": taxCountry, "tax_amount": t.price.tax, "status": t.status, "order": t.order.id,
		"customer": t.order.customer.id, "description": "One-time payment", "created_at": t.created.UnixMilli(),
	}

	if t.status != transactionDeclined {
		out["amount_paid"] = t.price.total
	}

	if t.price.discount > 0 {
		out["discount_amount"] = t.price.discount
	}

	if t.refunded > 0 {
		out["refunded_amount"] = t.refunded
	}

	if t.subscription != nil {
		out["type"], out["subscription"], out["description"] = "invoice", t.subscription.id, "Subscription payment"
		out["period_start"], out["period_end"] = t.start.UnixMilli(), t.end.UnixMilli()
	}

	return out
}

func (s *Sim) readTransaction(c *call) (any, error) {
	t, err := s.findTransaction(c.readQuery("transaction_id"))
	if err != nil {
		return nil, err
	}

	return renderTransaction(t), nil
}

// searchTransactions lists them, the newest first. There are filters for three ids, and none for dates or states.
func (s *Sim) searchTransactions(c *call) (any, error) {
	if page := c.readQuery("page_number"); s.knobs.MovingPages && page != "" && page != "1" {
		s.payAsStranger(c.now)
	}

	names := func(parameter, id string) bool { return c.readQuery(parameter) == "" || c.readQuery(parameter) == id }
	found := newestFirst(s.transactions, func(t *transaction) bool {
		return names("customer_id", t.order.customer.id) && names("order_id", t.order.id) && names("product_id", t.order.product.ID)
	})

	return listPage(c, 10, found, renderTransaction)
}

// payAsStranger has somebody buy the first product by a link that is not ours, so that the pages of transactions
// move. No event tells of it.
func (s *Sim) payAsStranger(at time.Time) {
	if len(s.products) == 0 {
		return
	}

	c := &checkout{product: s.products[0], customer: s.addCustomer("stranger@example.com", "", at), units: 1}
	o := s.addOrder(c, computePrice(c.product, c.product.Price, 1, nil), at)
	o.first = s.addTransaction(transaction{order: o, checkout: c, price: o.price, status: transactionPaid, created: at})
}
