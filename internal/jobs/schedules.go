package jobs

import (
	"time"

	"imagerun/queue"
)

// Schedules returns the product's table of schedules: every field of every row is written out.
func Schedules() []queue.Schedule {
	return []queue.Schedule{
		{
			Name:    "retention.often",
			Spec:    "@every 10m",
			Args:    func(time.Time) queue.Args { return PurgeOften{} },
			CatchUp: time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "retention.hourly",
			Spec:    "17 * * * *",
			Args:    func(time.Time) queue.Args { return PurgeHourly{} },
			CatchUp: 24 * time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "retention.daily",
			Spec:    "41 3 * * *",
			Args:    func(time.Time) queue.Args { return PurgeDaily{} },
			CatchUp: 48 * time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "retention.generations",
			Spec:    "@every 10m",
			Args:    func(time.Time) queue.Args { return PurgeGenerations{} },
			CatchUp: time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "retention.uploads",
			Spec:    "@every 10m",
			Args:    func(time.Time) queue.Args { return PurgeUploads{} },
			CatchUp: time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "credits.expiry",
			Spec:    "@every 10m",
			Args:    func(time.Time) queue.Args { return ExpireCredits{} },
			CatchUp: time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "credits.audit",
			Spec:    "53 4 * * *",
			Args:    func(time.Time) queue.Args { return AuditCredits{} },
			CatchUp: 20 * time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "payments.settle",
			Spec:    "@every 5m",
			Args:    func(time.Time) queue.Args { return SettlePayments{} },
			CatchUp: time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "payments.reconcile",
			Spec:    "7,37 * * * *",
			Args:    func(time.Time) queue.Args { return ReconcilePayments{} },
			CatchUp: time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "payments.reconcile_whole",
			Spec:    "21 2 * * *",
			Args:    func(time.Time) queue.Args { return ReconcilePayments{Whole: true} },
			CatchUp: 20 * time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "generation.bills",
			Spec:    "11 5 * * *",
			Args:    func(time.Time) queue.Args { return CompareBills{} },
			CatchUp: 20 * time.Hour,
			Overlap: queue.Skip,
		},
		{
			Name:    "retention.objects",
			Spec:    "23 4 * * *",
			Args:    func(time.Time) queue.Args { return SweepObjects{} },
			CatchUp: 20 * time.Hour,
			Overlap: queue.Skip,
		},
	}
}
