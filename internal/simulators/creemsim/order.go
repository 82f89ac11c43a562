package creemsim

import "time"

// order is what a checkout became once it was paid.
type order struct {
	id       string
	customer *customer
	product  *product
	// first is the transaction that paid it; nil: a trial has begun. Those of renewals name the order too.
	first    *transaction
	discount *discount // nil: none
	price    price
	created  time.Time
}

func (s *Sim) addOrder(c *checkout, price price, at time.Time) *order {
	o := &order{id: s.newID("ord"), customer: c.customer, product: c.product, discount: c.discount, price: price, created: at}
	s.orders = append(s.orders, o)

	return o
}

func renderOrder(o *order) object {
	out := object{
		"id": o.id, "mode": modeTest, "object": "order", "customer": o.customer.id, "product": o.product.ID, "amount": o.price.subTotal,
		"currency": o.product.Currency, "status": "paid", "type": o.product.BillingType,
		"sub_total": o.price.subTotal, "tax_amount": o.price.tax, "amount_due": o.price.total, "amount_paid": o.price.total,
		"created_at": formatTime(o.created), "updated_at": formatTime(o.created),
	}

	if o.first != nil {
		out["transaction"] = o.first.id
	}

	if o.discount != nil {
		out["discount"], out["discount_amount"] = o.discount.id, o.price.discount
	}

	return out
}
