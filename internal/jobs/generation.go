package jobs

import "github.com/google/uuid"

// SubmitGeneration hands an admitted generation to its provider. One live job for each task.
type SubmitGeneration struct {
	TaskID uuid.UUID `json:"task_id"`
}

// Kind implements [queue.Args].
func (SubmitGeneration) Kind() string { return "generation.submit" }

// CollectGeneration follows one attempt at the provider until its images are stored.
type CollectGeneration struct {
	AttemptID uuid.UUID `json:"attempt_id"`
}

// Kind implements [queue.Args].
func (CollectGeneration) Kind() string { return "generation.collect" }

// CancelAttempt tells the provider that an attempt is no longer wanted, and has what it may
// still deliver deleted there.
type CancelAttempt struct {
	AttemptID uuid.UUID `json:"attempt_id"`
}

// Kind implements [queue.Args].
func (CancelAttempt) Kind() string { return "generation.cancel" }

// EraseAttempt deletes what the provider keeps of an attempt that is over.
type EraseAttempt struct {
	AttemptID uuid.UUID `json:"attempt_id"`
}

// Kind implements [queue.Args].
func (EraseAttempt) Kind() string { return "generation.erase_attempt" }

// EraseGeneration deletes a generation that its owner deleted: objects first, rows last.
type EraseGeneration struct {
	TaskID uuid.UUID `json:"task_id"`
}

// Kind implements [queue.Args].
func (EraseGeneration) Kind() string { return "generation.erase" }

// PurgeGenerations stages anew what generations and their attempts are still owed and no job lives for. A schedule stages it.
type PurgeGenerations struct{}

// Kind implements [queue.Args].
func (PurgeGenerations) Kind() string { return "generation.purge" }

// CompareBills compares what the provider billed with the attempts that it billed. A schedule stages it.
type CompareBills struct{}

// Kind implements [queue.Args].
func (CompareBills) Kind() string { return "generation.compare_bills" }
