package jobs

import "imagerun/queue"

// Groups returns the product's table of groups: every queue is in one of them.
//
// "generation" is what a user waits for; "vendor" keeps the books of payments, which people wait for too, and tidies up at vendors, which may
// take days when one is down; "retention" is ours alone: what people asked to have deleted comes before what is old.
func Groups() []queue.Group {
	return []queue.Group{
		{Name: "generation", Queues: map[string]int{"generation": 1}},
		{Name: "vendor", Queues: map[string]int{"payment": 4, "vendor": 1}},
		{Name: "retention", Queues: map[string]int{"erasure": 4, "retention": 1}},
	}
}
