package intake

import (
	"context"
	"time"

	"imagerun/internal/generation"
	"imagerun/internal/generation/admission"
	"imagerun/internal/postgres"
)

// Estimate judges a request as [Intake.Submit] does and says what it would cost. It starts nothing.
func (s *Intake) Estimate(ctx context.Context, sub generation.Submission) (generation.Estimate, error) {
	sub.Quote = "" // a quote is no reason for another one, or its prices would hold for ever
	o := order{Submission: sub}

	var e generation.Estimate

	err := postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) (err error) {
		if sub.Reference != nil {
			err = s.findReference(ctx, tx, &o, s.References.FindReference)
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
		return generation.Estimate{}, err
	}

	plan, err := s.Users.PlanOf(ctx, sub.UserID)
	if err != nil {
		return generation.Estimate{}, err
	}

	if err := judgeByPlan(plan, o); err != nil {
		return generation.Estimate{}, err
	}

	if err := s.priceOrder(&o); err != nil {
		return generation.Estimate{}, err
	}

	typical, err := s.Admission.Typical(ctx)
	if err != nil {
		return generation.Estimate{}, err
	}

	e.Model, e.Parameters, e.Prices = o.model.ID, o.parameters, o.prices
	e.Took, _ = typical.Of(admission.KindOf(e.Model, e.Parameters))
	e.ExpiresAt = s.Now().Add(generation.QuoteLife).Truncate(time.Second)
	e.Quote = s.sealQuote(quote{Prices: e.Prices, Catalogue: s.Catalogue.Hash, ExpiresAt: e.ExpiresAt.Unix()}, sub.UserID, o)

	return e, nil
}

// priceOrder finds what an order costs: as its quote says, or as the catalogue does now.
func (s *Intake) priceOrder(o *order) (err error) {
	if o.Quote == "" {
		o.prices = s.Catalogue.Price(o.model, o.parameters)

		return nil
	}

	o.prices, err = s.honourQuote(o.Quote, o.UserID, *o)

	return err
}
