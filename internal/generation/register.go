package generation

import (
	"imagerun/internal/jobs"
	"imagerun/internal/retention"
	"imagerun/queue"
)

// Register makes the service the handler of the jobs of generations.
func (s *Service) Register(r *queue.Registry) {
	queue.Register(r, submitter{s})
	queue.Register(r, collector{s})
	queue.Register(r, canceler{s})
	queue.Register(r, attemptEraser{s})
	queue.Register(r, eraser{s})
	queue.Register(r, purger{s})
	queue.Register(r, retention.Former[jobs.PurgeTombstones](s.tombstones()...))
	queue.Register(r, billComparer{s})
}
