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

// defaultProducts are what there is to buy unless flags say otherwise.
func defaultProducts() []string {
	return []string{
		"prod_pack_small,Small pack,500,once", "prod_pack_large,Large pack,2000,once",
		"prod_plan_monthly,Plan by the month,1000,every-month", "prod_plan_yearly,Plan by the year,10000,every-year",
	}
}

// readProducts reads what there is to buy: each "id,name,price in cents,billing period".
func readProducts(lines []string) ([]creemsim.Product, error) {
	var (
		products []creemsim.Product
		errs     []error
	)

	for _, line := range lines {
		parts := strings.Split(line, ",")
		if len(parts) != 4 {
			errs = append(errs, cli.Misuse("--creem-product: %q must be id,name,price in cents,billing period", line))

			continue
		}

		price, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			price = -1
		}

		p := creemsim.Product{ID: parts[0], Name: parts[1], Description: parts[1], Price: price, BillingPeriod: parts[3]}
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
