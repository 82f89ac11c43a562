package generation

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
)

// pricesOf is what an image of the task costs; none where it was accepted for nothing.
func pricesOf(t db.AiTask) (catalogue.Prices, error) {
	var p catalogue.Prices
	if err := json.Unmarshal(t.Prices, &p); err != nil {
		return nil, fmt.Errorf("decode prices of %s: %w", t.ID, err)
	}

	return p, nil
}

// capture has the user pay for an image that was stored, at the price of who made it.
func (s *Service) capture(ctx context.Context, tx pgx.Tx, t *task, a db.ProviderAttempt, index int16) error {
	prices, err := pricesOf(t.AiTask)
	if err != nil || len(prices) == 0 {
		return err
	}

	return s.Credits.Capture(ctx, tx, t.ID, int(index), prices[modelOf(t.AiTask, a)])
}

// release returns what a generation that has just ended did not use.
func (s *Service) release(ctx context.Context, tx pgx.Tx, t *task) error {
	prices, err := pricesOf(t.AiTask)
	if err != nil || len(prices) == 0 {
		return err
	}

	_, err = s.Credits.Release(ctx, tx, t.ID)

	return err
}

// price fills in what generations cost.
func (s *Service) price(ctx context.Context, tasks []db.AiTask, at map[uuid.UUID]*Generation, ids []uuid.UUID) error {
	costs, err := s.Credits.Costs(ctx, s.Pool, ids)
	if err != nil {
		return err
	}

	for _, t := range tasks {
		prices, err := pricesOf(t)
		if err != nil {
			return err
		}

		g := at[t.ID]
		g.Cost = Cost{Cost: costs[t.ID], Quoted: prices[t.Model] * int64(g.Parameters.NumImages)}
	}

	return nil
}
