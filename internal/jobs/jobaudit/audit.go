// Package jobaudit keeps the record of what operators did to jobs, for as long as it is evidence.
package jobaudit

import (
	"imagerun/internal/jobs"
	"imagerun/internal/retention"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// Audit is the record of what operators did to jobs.
type Audit struct{ admin *durable.Admin }

// New returns the record that admin keeps.
func New(admin *durable.Admin) *Audit { return &Audit{admin} }

// Register makes a the handler of what schedulers of the release before stage.
func (a *Audit) Register(r *queue.Registry) {
	queue.Register(r, retention.Former[jobs.PurgeJobAudit](a.Retention()...))
}

// Retention is how long the record is kept as evidence.
func (a *Audit) Retention() []retention.Class {
	return []retention.Class{{
		Name:   "job_audit",
		Tables: []retention.Table{{Name: "job_audit", Columns: []string{"action", "operator", "queue", "reason", "request"}, After: retention.Year}},
		Purge:  &retention.Purge{Cadence: retention.Daily, Batch: 2000, Step: a.admin.PurgeAudit},
	}}
}
