// Command api serves people and programs: it accepts generations and shows what becomes of them.
package main

import (
	"os"

	"imagerun/internal/app"
)

func main() { os.Exit(app.Main(app.API())) }
