package catalogue

import "errors"

// priceMost is what an image may cost: more is a mistake, and any number of images stays a number that
// every JSON reader keeps exactly.
const priceMost = 1_000_000

// Tier is what one image costs up to a size. Whatever is larger than the last tier costs as much as
// that.
type Tier struct {
	Pixels  int   `json:"pixels"`  // width × height, at most
	Credits int64 `json:"credits"` // for each image
}

// Prices is what one image costs, in credits, by the model that makes it: the one that was asked for,
// and those that the caller allows instead.
type Prices map[string]int64

// Max is the highest of the prices: what must be set aside for each image.
func (p Prices) Max() int64 {
	var most int64
	for _, credits := range p {
		most = max(most, credits)
	}

	return most
}

// Price is what a request costs that [Catalogue.Resolve] found good.
func (c *Catalogue) Price(m Model, p Parameters) Prices {
	prices := Prices{m.ID: m.priceOfImage(p)}

	for _, id := range p.FallbackModels {
		other, _ := c.Find(id)
		prices[id] = other.priceOfImage(p)
	}

	return prices
}

// priceOfImage is what one image of these parameters costs.
func (m Model) priceOfImage(p Parameters) int64 {
	q, _ := m.findQuality(p.Quality)

	var credits int64
	for _, tier := range q.Prices {
		if credits = tier.Credits; p.Width*p.Height <= tier.Pixels {
			break
		}
	}

	return credits
}

// checkPrices verifies that a larger picture has a price, and never a lower one.
func (q Quality) checkPrices() error {
	if len(q.Prices) == 0 {
		return errors.New("prices are required")
	}

	var before Tier

	for _, tier := range q.Prices {
		if tier.Credits < 1 || tier.Credits > priceMost || tier.Pixels <= before.Pixels || tier.Credits < before.Credits {
			return errors.New("prices must be 1 to 1000000 credits and rise with their pixels")
		}

		before = tier
	}

	return nil
}
