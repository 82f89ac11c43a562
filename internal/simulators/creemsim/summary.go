package creemsim

import (
	"slices"
	"strconv"
	"time"
)

// summary is what is asked of the statistics. Zero times: everything.
type summary struct {
	currency   string
	start, end time.Time
}

// readSummary answers the statistics. Revenue is what was paid; net is less the tax and what went back.
// https://docs.creem.io/api-reference/endpoint/stats-summary (read 2026-11)
func (s *Sim) readSummary(c *call) (any, error) {
	in := summary{currency: c.readQuery("currency")}
	if !slices.Contains([]string{"EUR", "USD"}, in.currency) {
		return nil, badRequest("currency must be one of the following values: EUR, USD")
	}

	for name, to := range map[string]*time.Time{"startDate": &in.start, "endDate": &in.end} {
		if text := c.readQuery(name); text != "" {
			ms, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, badRequest(name + " must be a number")
			}

			*to = time.UnixMilli(ms).UTC()
		}
	}

	payments, gross, net := s.sumRevenue(in)
	active, recurring := s.sumRecurring(in.currency)
	out := object{"totals": object{
		"totalProducts": len(s.products), "totalSubscriptions": len(s.subscriptions), "totalCustomers": len(s.customers),
		"totalPayments": payments, "activeSubscriptions": active, "totalRevenue": gross, "totalNetRevenue": net,
		"netMonthlyRecurringRevenue": recurring, "monthlyRecurringRevenue": recurring,
	}}

	if interval := c.readQuery("interval"); interval != "" {
		step, known := map[string][2]int{"day": {0, 1}, "week": {0, 7}, "month": {1, 0}}[interval]
		if !known {
			return nil, badRequest("interval must be one of the following values: day, week, month")
		}

		if !in.start.IsZero() && !in.end.IsZero() {
			out["periods"] = s.listPeriods(in, step[0], step[1])
		}
	}

	return out, nil
}

// listPeriods sums up each interval of the time that was asked for.
func (s *Sim) listPeriods(in summary, months, days int) []object {
	const maxPeriods = 1000

	periods := []object{}

	for from := in.start; from.Before(in.end) && len(periods) < maxPeriods; from = from.AddDate(0, months, days) {
		part := in
		part.start, part.end = from, from.AddDate(0, months, days)
		_, gross, net := s.sumRevenue(part)
		periods = append(periods, object{"timestamp": from.UnixMilli(), "grossRevenue": gross, "netRevenue": net})
	}

	return periods
}

func (s *Sim) sumRevenue(in summary) (payments int, gross, net int64) {
	for _, t := range s.transactions {
		isOutside := !in.start.IsZero() && t.created.Before(in.start) || !in.end.IsZero() && !t.created.Before(in.end)
		if t.status == transactionDeclined || t.order.product.Currency != in.currency || isOutside {
			continue
		}

		payments++
		gross += t.price.total
		net += max(0, t.price.total-t.price.tax-t.refunded)
	}

	return payments, gross, net
}

// sumRecurring is what the subscriptions that go on bring in a month, before tax.
func (s *Sim) sumRecurring(currency string) (active int, revenue int64) {
	for _, sub := range s.subscriptions {
		if sub.status != statusActive || sub.product.Currency != currency {
			continue
		}

		active++

		monthly := plan{sub.product, sub.units}.computeNet()
		if months := billingMonths()[sub.product.BillingPeriod]; months > 0 {
			monthly = divideRounded(monthly, int64(months))
		} else {
			monthly *= 30
		}

		revenue += monthly
	}

	return active, revenue
}
