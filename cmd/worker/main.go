// Command worker works the jobs. Run as many as there is work for.
package main

import (
	"os"

	"imagerun/internal/app"
)

func main() { os.Exit(app.Main(app.Worker())) }
