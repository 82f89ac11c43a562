package creemsim

import (
	"maps"
	"slices"
	"time"
)

const everyDay = "every-day"

// billingMonths are the periods of subscriptions in months. A day is none.
func billingMonths() map[string]int {
	return map[string]int{everyDay: 0, "every-month": 1, "every-three-months": 3, "every-six-months": 6, "every-year": 12}
}

func knownPeriods() []string { return slices.Sorted(maps.Keys(billingMonths())) }

// addPeriods returns the hour so many billing periods after another. The day of the month stays, and where a month
// has no such day it is the month's last: from 31 January to 28 February, and to 31 March.
func addPeriods(from time.Time, period string, n int) time.Time {
	if period == everyDay {
		return from.AddDate(0, 0, n)
	}

	months := billingMonths()[period] * n
	first := time.Date(from.Year(), from.Month(), 1, from.Hour(), from.Minute(), from.Second(), from.Nanosecond(), from.Location()).AddDate(0, months, 0)
	last := first.AddDate(0, 1, -1).Day()

	return first.AddDate(0, 0, min(from.Day(), last)-1)
}
