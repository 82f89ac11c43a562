package upload

import (
	"imagerun/internal/jobs"
	"imagerun/internal/retention"
)

// Retention is what is kept of uploads. Each goes by a job of its own, its objects first.
func (s *Service) Retention() []retention.Class {
	return []retention.Class{{
		Name: "upload",
		Tables: []retention.Table{{Name: "upload", Columns: []string{
			"content_type", "key", "promised_sha256", "promised_type", "raw_key", "reason", "sha256", "source_type", "status",
		}}},
		Job: jobs.PurgeUploads{}.Kind(),
	}}
}
