package generation

import (
	"time"

	"imagerun/internal/credits"
	"imagerun/internal/generation/catalogue"
)

// Estimate is what a generation would cost, in credits.
type Estimate struct {
	Model      string // that was asked for
	Parameters catalogue.Parameters
	Prices     catalogue.Prices // of one image, also of the models that may make it instead
	Balance    credits.Balance
	Quote      string // honours the prices until ExpiresAt
	ExpiresAt  time.Time
	Took       time.Duration // from its turn to its end, as measured of late; zero: not known
}

// Credits is what all images cost, made by a model.
func (e Estimate) Credits(model string) int64 { return e.Prices[model] * int64(e.Parameters.NumImages) }

// AtMost is what a submit sets aside.
func (e Estimate) AtMost() int64 { return e.Prices.Max() * int64(e.Parameters.NumImages) }

// QuoteLife is how long a quote is honoured.
const QuoteLife = 10 * time.Minute
