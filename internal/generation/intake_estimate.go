package generation

import (
	"context"
	"time"

	"imagerun/internal/postgres"
)

// Estimate judges a request as [Service.Submit] does and says what it would cost. It starts nothing.
func (s *Service) Estimate(ctx context.Context, sub Submission) (Estimate, error) {
	sub.Quote = "" // a quote is no reason for another one, or its prices would hold for ever
	o := order{Submission: sub}

	var e Estimate

	err := postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) (err error) {
		if sub.Reference != nil {
			err = s.refer(ctx, tx, &o, s.References.FindReference)
		} else {
			o.model, o.parameters, err = s.Catalogue.Resolve(sub.Request)
		}

		if err != nil {
			return err
		}

		if _, err = s.Credits.GiveWelcome(ctx, tx, sub.UserID); err != nil {
			return err
		}

		e.Balance, err = s.Credits.Balance(ctx, tx, sub.UserID)

		return err
	})
	if err != nil {
		return Estimate{}, err
	}

	plan, err := s.Users.PlanOf(ctx, sub.UserID)
	if err != nil {
		return Estimate{}, err
	}

	if err := permits(plan, o); err != nil {
		return Estimate{}, err
	}

	if err := s.priceOrder(&o); err != nil {
		return Estimate{}, err
	}

	typical, err := s.took.Typical(ctx)
	if err != nil {
		return Estimate{}, err
	}

	e.Model, e.Parameters, e.Prices = o.model.ID, o.parameters, o.prices
	e.Took, _ = typical.Of(kindOf(e.Model, e.Parameters))
	e.ExpiresAt = s.Now().Add(QuoteLife).Truncate(time.Second)
	e.Quote = s.seal(quote{Prices: e.Prices, Catalogue: s.Catalogue.Hash, ExpiresAt: e.ExpiresAt.Unix()}, sub.UserID, o)

	return e, nil
}

// priceOrder finds what an order costs: as its quote says, or as the catalogue does now.
func (s *Service) priceOrder(o *order) (err error) {
	if o.Quote == "" {
		o.prices = s.Catalogue.Price(o.model, o.parameters)

		return nil
	}

	o.prices, err = s.honour(o.Quote, o.UserID, *o)

	return err
}
