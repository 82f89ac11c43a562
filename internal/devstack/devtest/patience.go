package devtest

import "time"

// Patience is how long a test waits for what happens within a time on a machine that is not busy: so long, but under the race detector,
// where everything takes several times as long, five times so. It is for waits and for bounds that tell apart what works from what
// hangs; how fast something is, benchmarks say.
func Patience(d time.Duration) time.Duration { return d * slowness }
