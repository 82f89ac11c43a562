package queue

import "time"

// Schedules returns the product's table of schedules: every field of every row is written out.
func Schedules() []Schedule {
	return []Schedule{
		{
			Name:    "retention.often",
			Spec:    "@every 10m",
			Args:    func(time.Time) Args { return PurgeOften{} },
			CatchUp: time.Hour,
			Overlap: Skip,
		},
		{
			Name:    "retention.hourly",
			Spec:    "17 * * * *",
			Args:    func(time.Time) Args { return PurgeHourly{} },
			CatchUp: 24 * time.Hour,
			Overlap: Skip,
		},
		{
			Name:    "retention.daily",
			Spec:    "41 3 * * *",
			Args:    func(time.Time) Args { return PurgeDaily{} },
			CatchUp: 48 * time.Hour,
			Overlap: Skip,
		},
		{
			Name:    "retention.generations",
			Spec:    "@every 10m",
			Args:    func(time.Time) Args { return PurgeGenerations{} },
			CatchUp: time.Hour,
			Overlap: Skip,
		},
		{
			Name:    "retention.uploads",
			Spec:    "@every 10m",
			Args:    func(time.Time) Args { return PurgeUploads{} },
			CatchUp: time.Hour,
			Overlap: Skip,
		},
		{
			Name:    "credits.expiry",
			Spec:    "@every 10m",
			Args:    func(time.Time) Args { return ExpireCredits{} },
			CatchUp: time.Hour,
			Overlap: Skip,
		},
		{
			Name:    "credits.audit",
			Spec:    "53 4 * * *",
			Args:    func(time.Time) Args { return AuditCredits{} },
			CatchUp: 20 * time.Hour,
			Overlap: Skip,
		},
		{
			Name:    "generation.bills",
			Spec:    "11 5 * * *",
			Args:    func(time.Time) Args { return CompareBills{} },
			CatchUp: 20 * time.Hour,
			Overlap: Skip,
		},
		{
			Name:    "retention.objects",
			Spec:    "23 4 * * *",
			Args:    func(time.Time) Args { return SweepObjects{} },
			CatchUp: 20 * time.Hour,
			Overlap: Skip,
		},
	}
}
