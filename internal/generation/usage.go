package generation

// Usage is how much of its plan a user takes now.
type Usage struct {
	Slots   int // generations in progress, deleted ones that their provider has not let go of included
	Waiting int // generations that wait for a slot
}
