package books

import (
	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/payments"
)

// metrics count what was paid and what was found. Labels are names of closed lists, never ids.
type metrics struct {
	orders      *prometheus.CounterVec
	money       *prometheus.CounterVec
	refunded    *prometheus.CounterVec
	differences *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_payments_orders_total", Help: "Payments that were booked, by product and currency.",
		}, []string{"product", "currency"}),
		money: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_payments_paid_minor_units_total", Help: "What was paid, tax included, in minor units (1000 for 10.00), by product and currency.",
		}, []string{"product", "currency"}),
		refunded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_payments_returned_minor_units_total", Help: "What was refunded or disputed, in minor units, by product, currency and cause.",
		}, []string{"product", "currency", "cause"}),
		differences: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_payments_differences_total", Help: "Where our books and the vendor's differed, by kind and by what became of it: repaired, or open for a person.",
		}, []string{"kind", "status"}),
	}

	// A counter that appears with its first difference has not risen, for who watches it.
	for _, kind := range differenceKinds() {
		m.differences.WithLabelValues(string(kind), string(Difference{Kind: kind}.status()))
	}

	return m
}

// Collectors are what the process registers.
func (b *Books) Collectors() []prometheus.Collector {
	m := b.metrics

	return []prometheus.Collector{m.orders, m.money, m.refunded, m.differences}
}

func (m *metrics) countOrder(product string, paid payments.Money) {
	m.orders.WithLabelValues(product, paid.Currency).Inc()
	m.money.WithLabelValues(product, paid.Currency).Add(float64(paid.Paid))
}

func (m *metrics) countReturned(product, currency string, disputed bool, amount int64) {
	cause := "refund"
	if disputed {
		cause = "dispute"
	}

	m.refunded.WithLabelValues(product, currency, cause).Add(float64(max(0, amount)))
}

func (m *metrics) countDifference(d Difference) {
	m.differences.WithLabelValues(string(d.Kind), string(d.status())).Inc()
}
