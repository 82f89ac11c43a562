// Command scheduler keeps jobs moving: it relays, sweeps and reconciles the queue, admits, and
// ends what is past its deadline. Run at least two; any number share the work.
package main

import (
	"os"

	"imagerun/internal/app"
)

func main() { os.Exit(app.Main(app.Scheduler())) }
