package sweep

import "time"

// Report is what a sweep found and did. It holds counts alone.
type Report struct {
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"` // null: it has not come to the end
	DryRun     bool       `json:"dry_run"`

	Objects int64 `json:"objects"` // seen in the bucket
	Records int64 `json:"records"` // keys seen in the tables

	Orphans      int64 `json:"orphans"` // objects that nothing wants
	OrphanBytes  int64 `json:"orphan_bytes"`
	Deleted      int64 `json:"deleted"` // of those
	DeletedBytes int64 `json:"deleted_bytes"`
	NotDeleted   int64 `json:"not_deleted"` // of those: the store refused
	Young        int64 `json:"young"`       // would be orphans, but may be in the making
	Foreign      int64 `json:"foreign"`     // objects that are none of ours; left alone

	Lost int64 `json:"lost"` // records whose object is gone
	Back int64 `json:"back"` // records whose object was lost and is there again

	IncompleteMultiparts int64 `json:"leftovers"` // uploads in parts that were never ended
	Aborted              int64 `json:"aborted"`   // of those
}

// Clean reports whether every object has its row and every row its object.
func (r Report) Clean() bool {
	return r.Orphans+r.Young+r.Foreign+r.Lost+r.Back+r.IncompleteMultiparts == 0
}

// Settled reports whether nothing is left that a person must look at.
func (r Report) Settled() bool {
	return r.Orphans == r.Deleted && r.IncompleteMultiparts == r.Aborted && r.Foreign+r.Lost == 0
}

func (r *Report) countFinding(w What) {
	switch w {
	case Orphan:
		r.Orphans++
	case Young:
		r.Young++
	case Foreign:
		r.Foreign++
	case Lost:
		r.Lost++
	case Back:
		r.Back++
	case IncompleteMultipart:
		r.IncompleteMultiparts++
	}
}
