package task

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// PricesOf is what an image of the task costs; none where it was accepted for nothing.
func PricesOf(t db.AiTask) (catalogue.Prices, error) {
	var p catalogue.Prices
	if err := json.Unmarshal(t.Prices, &p); err != nil {
		return nil, fmt.Errorf("decode prices of %s: %w", t.ID, err)
	}

	return p, nil
}

// Capture has the user pay for an image that was stored, at the price of who made it.
func (s *Tasks) Capture(ctx context.Context, tx pgx.Tx, t *Task, a db.ProviderAttempt, index int16) error {
	prices, err := PricesOf(t.AiTask)
	if err != nil || len(prices) == 0 {
		return err
	}

	return s.Credits.Capture(ctx, tx, t.ID, int(index), prices[ModelOf(t.AiTask, a)])
}

// releaseRest returns what a generation that has just ended did not use.
func (s *Tasks) releaseRest(ctx context.Context, tx pgx.Tx, t *Task) error {
	prices, err := PricesOf(t.AiTask)
	if err != nil || len(prices) == 0 {
		return err
	}

	_, err = s.Credits.Release(ctx, tx, t.ID)

	return err
}

// RecordCost writes down attempts that have ended, if there is a request of them, as ones whose bill is to be found.
func (s *Tasks) RecordCost(ctx context.Context, tx pgx.Tx, units string, attempts ...uuid.UUID) error {
	err := s.db.CostRecord(ctx, postgres.Later(tx), db.CostRecordParams{AttemptIds: attempts, Units: postgres.TextOrNil(units)})

	return fault.Wrap(err, "record cost of attempts")
}
