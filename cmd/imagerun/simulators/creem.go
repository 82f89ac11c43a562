package simulators

import (
	"errors"
	"strconv"
	"strings"

	"imagerun/internal/cli"
	"imagerun/internal/simulators/creemsim"
)

// Creem is a simulator of Creem. Its hosted checkout and its control surface are on the same address as its API.
type Creem struct {
	URL string

	sim     *creemsim.Sim
	servers servers
}

// StartCreem listens on an address, and serves until [Creem.Stop].
func StartCreem(addr string, o creemsim.Options) (*Creem, error) {
	s := &Creem{sim: creemsim.New(o), servers: servers{vendor: "Creem"}}

	var err error
	if s.URL, err = s.servers.listen(addr, s.sim.Handler()); err != nil {
		s.Stop()

		return nil, err
	}

	return s, nil
}

// Stop ends what it serves, within a second, and the simulator.
func (s *Creem) Stop() {
	s.servers.shutDown()
	s.sim.Close()
}

// defaultProducts are what there is to buy unless flags say otherwise: what the product sells, where no file of products says otherwise.
func defaultProducts() []string {
	return []string{
		"prod_imagerunPackSmallEur,100 credits,500,once,EUR", "prod_imagerunPackSmallUsd,100 credits,500,once,USD",
		"prod_imagerunPackLargeEur,1000 credits,4000,once,EUR", "prod_imagerunPackLargeUsd,1000 credits,4000,once,USD",
		"prod_imagerunProMonthEur,Pro,1500,every-month,EUR", "prod_imagerunProMonthUsd,Pro,1500,every-month,USD",
		"prod_imagerunProYearEur,Pro by the year,15000,every-year,EUR", "prod_imagerunProYearUsd,Pro by the year,15000,every-year,USD",
		"prod_imagerunStudioMonthEur,Studio,6000,every-month,EUR", "prod_imagerunStudioMonthUsd,Studio,6000,every-month,USD",
	}
}

// readProducts reads what there is to buy: each "id,name,price in cents,billing period", and a currency where it is not EUR.
func readProducts(lines []string) ([]creemsim.Product, error) {
	var (
		products []creemsim.Product
		errs     []error
	)

	for _, line := range lines {
		parts := strings.Split(line, ",")
		if len(parts) != 4 && len(parts) != 5 {
			errs = append(errs, cli.Misuse("--creem-product: %q must be id,name,price in cents,billing period[,currency]", line))

			continue
		}

		price, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			price = -1
		}

		p := creemsim.Product{ID: parts[0], Name: parts[1], Description: parts[1], Price: price, BillingPeriod: parts[3]}
		if len(parts) == 5 {
			p.Currency = parts[4]
		}

		if p.BillingPeriod != "once" {
			p.BillingType = creemsim.BillingRecurring
		}

		if err := p.Check(); err != nil {
			errs = append(errs, cli.Misuse("--creem-product: %q: %w", line, err))
		}

		products = append(products, p)
	}

	return products, errors.Join(errs...)
}
