package credits

import (
	"context"

	"imagerun/internal/credits/db"
	"imagerun/internal/fault"
	"imagerun/internal/retention"
)

// auditLifetime is how long it is known when the ledger was audited.
const auditLifetime = retention.Year

// Retention is what the ledger keeps, and for how long.
func (j *Jobs) Retention() []retention.Class {
	const paid = 7 * retention.Year

	return []retention.Class{
		{
			Name: "ledger",
			Tables: []retention.Table{
				{Name: "credit_claw", Columns: []string{"reference"}, After: paid},
				{Name: "credit_grant", Columns: []string{"reference", "source"}, After: paid},
				{Name: "ledger_posting", Columns: []string{"account"}, After: paid},
				{Name: "ledger_txn", Columns: []string{"actor", "business_key", "kind", "reason", "source"}, After: paid},
			},
			NotYet: "no payment is so old, and no payment is taken: its purge comes with payments",
		},
		{
			Name:   "credit_audit",
			Tables: []retention.Table{{Name: "credit_audit", After: auditLifetime}},
			Purge:  &retention.Purge{Cadence: retention.Daily, Batch: 1000, Step: j.forgetAudits},
		},
	}
}

// forgetAudits forgets when the ledger was audited long ago.
func (j *Jobs) forgetAudits(ctx context.Context, batch int) (int, error) {
	n, err := j.ledger.db.AuditForget(ctx, j.pool, db.AuditForgetParams{Before: j.ledger.Now().Add(-auditLifetime), Most: int32(batch)}) //nolint:gosec // a thousand

	return int(n), fault.Wrap(err, "forget old audits of credits")
}
