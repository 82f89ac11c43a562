package creemsim

// taxPercent is what the Netherlands take, where every customer of the documented samples lives.
const (
	taxPercent = 21
	taxCountry = "NL"
)

// price is what something costs, in minor units.
type price struct {
	subTotal int64 // before tax and discount; with inclusive tax that is in it
	discount int64
	tax      int64
	total    int64 // what the customer pays
}

// computePrice works out the price of some units.
func computePrice(p *product, each int64, units int, d *discount) price {
	out := price{subTotal: each * int64(units)}
	if d != nil {
		out.discount = d.cutPrice(out.subTotal)
	}

	return out.addTax(p.TaxMode)
}

// addTax works out the tax, rounded to the nearest minor unit.
func (p price) addTax(mode string) price {
	net := p.subTotal - p.discount

	if mode == "inclusive" {
		p.tax, p.total = net-divideRounded(net*100, 100+taxPercent), net

		return p
	}

	p.tax = divideRounded(net*taxPercent, 100)
	p.total = net + p.tax

	return p
}

// divideRounded divides what is not negative, halves up.
func divideRounded(a, b int64) int64 { return (2*a + b) / (2 * b) }
