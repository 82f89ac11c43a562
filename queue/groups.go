package queue

// Group is one row of the table of groups: queues that share workers. What a worker runs at once it
// is told for each group, so no group starves another; inside a group the weights decide.
type Group struct {
	Name string
	// Queues are the group's queues with their weights: while all of them have jobs, a queue of
	// weight 3 has three times as many begun as one of weight 1, and none has none.
	Queues map[string]int
}

// Groups returns the product's table of groups: every queue is in one of them.
//
// "generation" is what somebody waits for; "vendor" tidies up at vendors and may take days when one
// is down; "retention" is ours alone: what people asked to have deleted comes before what is old.
func Groups() []Group {
	return []Group{
		{Name: "generation", Queues: map[string]int{"generation": 1}},
		{Name: "vendor", Queues: map[string]int{"vendor": 1}},
		{Name: "retention", Queues: map[string]int{"erasure": 4, "retention": 1}},
	}
}
