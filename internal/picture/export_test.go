package picture

// Occupy takes one turn to decode until the returned function is called.
func (o *Opener) Occupy() func() {
	o.slots <- struct{}{}

	return func() { <-o.slots }
}

// IsSound is isSound.
func IsSound(profile []byte) bool { return isSound(profile) }

// SampleSRGB returns the sample of linear light.
func SampleSRGB(light byte) byte { return byte(encodeSRGB(float64(light)/255)*255 + 0.5) }
