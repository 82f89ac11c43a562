package queue

// Group is one row of the table of groups: queues that share workers. What a worker runs at once it
// is told for each group, so no group starves another; inside a group the weights decide.
type Group struct {
	Name string
	// Queues are the group's queues with their weights: while all of them have jobs, a queue of
	// weight 3 has three times as many begun as one of weight 1, and none has none.
	Queues map[string]int
}
