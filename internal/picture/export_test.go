package picture

// Occupy takes one turn to decode until the returned function is called.
func (o *Opener) Occupy() func() {
	o.slots <- struct{}{}

	return func() { <-o.slots }
}
