package bills

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"imagerun/internal/generation/db"
)

// Differences between what was billed and what we know.
const (
	billUnknown  = "unknown"  // billed, and no request of ours
	billFailed   = "failed"   // billed, and our attempt had no result
	billUnits    = "units"    // billed other units than the result had told
	billUnbilled = "unbilled" // images are stored, and no bill came for a week
	billPending  = "pending"  // images are stored, and no bill has come so far
)

// billReport is what the comparisons of a day found. It holds counts and sums alone.
type billReport struct {
	Differences map[string]int64       `json:"differences"`
	Models      map[string]modelCharge `json:"models"`
}

// modelCharge is what the attempts of a model cost whose bills were found, and what was captured for their images.
type modelCharge struct {
	Attempts int64 `json:"attempts"`
	NanoUSD  int64 `json:"nano_usd"`
	Credits  int64 `json:"credits"`
}

// reportBills writes down what this day's comparisons found, for the metrics, and says so once. It counts rows, so that a
// second comparison on a day, or one that began anew, counts nothing twice.
func (h comparer) reportBills(ctx context.Context) error {
	now := h.Now()
	day := now.UTC().Truncate(24 * time.Hour)
	r := billReport{
		Differences: map[string]int64{billUnknown: 0, billFailed: 0, billUnits: 0, billUnbilled: 0},
		Models:      map[string]modelCharge{},
	}

	differences, err := h.db.BillDifferences(ctx, h.Pool, &day)
	if err != nil {
		return fmt.Errorf("count differences of bills: %w", err)
	}

	attrs := []any{}

	for _, d := range differences {
		r.Differences[d.Kind] = d.N
		attrs = append(attrs, slog.Any(d.Kind+"_requests", d.Requests))
	}

	if r.Differences[billPending], err = h.db.BillPending(ctx, h.Pool); err != nil {
		return fmt.Errorf("count bills that have not come: %w", err)
	}

	models, err := h.db.BillModels(ctx, h.Pool, &day)
	if err != nil {
		return fmt.Errorf("add up bills by model: %w", err)
	}

	var attempts int64

	for _, m := range models {
		r.Models[m.Model] = modelCharge{Attempts: m.Attempts, NanoUSD: m.CostNanoUsd, Credits: m.Credits}
		attempts += m.Attempts
	}

	report, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report of bills: %w", err)
	}

	if err := h.db.BillReport(ctx, h.Pool, db.BillReportParams{Provider: biller, At: &now, Report: report}); err != nil {
		return fmt.Errorf("write report of bills: %w", err)
	}

	h.Log.InfoContext(ctx, "bills of the provider were compared",
		append(attrs, slog.Int64("billed_attempts", attempts), slog.Any("differences", r.Differences))...)

	return nil
}
