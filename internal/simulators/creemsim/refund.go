package creemsim

import (
	"errors"
	"time"
)

// The states of a refund.
const (
	refundSucceeded = "succeeded"
	refundPending   = "pending"
)

// refundDelay is how long a refund stays pending where the knob has it begin so.
const refundDelay = time.Hour

// refund is money that goes back.
type refund struct {
	id, status, reason string
	transaction        *transaction
	amount             int64
	created            time.Time
}

// Refund gives back a payment, as a merchant does in the dashboard: of a transaction by its id, or the first of an
// order. The amount is in minor units, with tax; 0: all that is left.
func (s *Sim) Refund(transactionOrOrderID string, amount int64) error {
	return s.changeTransaction(transactionOrOrderID, func(t *transaction) error {
		_, err := s.refundTransaction(t, amount, "requested_by_customer", s.Clock.Now())

		return err
	})
}

// Dispute has the buyer's bank take a payment back.
func (s *Sim) Dispute(transactionOrOrderID string) error {
	return s.changeTransaction(transactionOrOrderID, func(t *transaction) error {
		if t.status == transactionDeclined || t.status == transactionChargedBack {
			return errors.New("the transaction is " + t.status)
		}

		now := s.Clock.Now()
		t.status, t.refunded = transactionChargedBack, t.price.total
		s.count.Disputes++
		s.emit(now, notice{"dispute.created", renderDispute(s.newID("disp"), t, now)})

		return nil
	})
}

// changeTransaction does something with a transaction, or the first of an order.
func (s *Sim) changeTransaction(id string, change func(*transaction) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.Clock.Advance()

	for _, o := range s.orders {
		if o.id == id && o.first != nil {
			id = o.first.id
		}
	}

	t, err := s.findTransaction(id)
	if err != nil {
		return err
	}

	err = change(t)
	s.Clock.Advance()

	return err
}

// refundTransaction gives some of a payment back. The caller holds mu.
func (s *Sim) refundTransaction(t *transaction, amount int64, reason string, at time.Time) (*refund, error) {
	left := t.price.total - t.refunded - t.underWay
	if amount == 0 {
		amount = left
	}

	switch {
	case t.status != transactionPaid && t.status != transactionPartly || left <= 0:
		return nil, badRequest("Transaction cannot be refunded")
	case amount < 0 || amount > left:
		return nil, badRequest("Refund amount exceeds what is left of the transaction")
	}

	r := &refund{id: s.newID("ref"), status: refundSucceeded, reason: reason, transaction: t, amount: amount, created: at}
	s.count.Refunds++

	if s.knobs.PendingRefunds {
		r.status = refundPending
		t.underWay += amount
		s.Clock.At(at.Add(refundDelay), func() {
			t.underWay -= amount
			r.settle()
		})
	} else {
		r.settle()
	}

	s.emit(at, notice{"refund.created", renderRefund(r)})

	return r, nil
}

// settle has the money arrive. A payment that was charged back meanwhile stays so.
func (r *refund) settle() {
	r.status = refundSucceeded

	t := r.transaction
	if t.status == transactionChargedBack {
		return
	}

	t.refunded += r.amount
	t.status = transactionPartly

	if t.refunded == t.price.total {
		t.status = transactionRefunded
	}
}

// createRefund is the API's: all that is left, and no part of it.
func (s *Sim) createRefund(c *call) (any, error) {
	var in struct {
		Transaction string `json:"transaction_id"`
	}
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	t, err := s.findTransaction(in.Transaction)
	if err != nil {
		return nil, err
	}

	r, err := s.refundTransaction(t, 0, "requested_by_customer", c.now)
	if err != nil {
		return nil, err
	}

	return object{"status": r.status}, nil
}

func renderRefund(r *refund) object {
	out := renderTaken(r.transaction)
	out["id"], out["object"], out["status"], out["reason"] = r.id, "refund", r.status, r.reason
	out["refund_amount"], out["refund_currency"], out["created_at"] = r.amount, r.transaction.order.product.Currency, r.created.UnixMilli()

	return out
}

func renderDispute(id string, t *transaction, at time.Time) object {
	out := renderTaken(t)
	out["id"], out["object"], out["amount"], out["currency"], out["created_at"] = id, "dispute", t.price.total, t.order.product.Currency, at.UnixMilli()

	return out
}

// renderTaken is what refunds and disputes tell of the payment: the customer whole, the subscription with ids.
func renderTaken(t *transaction) object {
	out := object{
		"mode": modeTest, "transaction": renderTransaction(t), "order": renderOrder(t.order), "customer": renderCustomer(t.order.customer),
	}

	if t.checkout.id != "" {
		checkout := renderCheckout(t.checkout)
		deleteMembers(checkout, "order", "subscription", "customer")

		out["checkout"] = checkout
	}

	if t.subscription != nil {
		subscription := renderPaid(t.subscription)
		deleteMembers(subscription, "items", "last_transaction")
		out["subscription"] = subscription
	}

	return out
}
