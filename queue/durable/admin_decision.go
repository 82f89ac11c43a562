package durable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue/durable/db"
)

// Decision is an operator's to cancel what jobs work for, and not the jobs. It is audited where orders about jobs are.
type Decision struct {
	At       time.Time `json:"at"`
	Operator string    `json:"operator"`
	Action   string    `json:"action"` // cancel
	Reason   string    `json:"reason"`
	Request  string    `json:"request"` // what makes it happen once, such as the number of a ticket
	About    uuid.UUID `json:"-"`
}

// RecordCancel writes down who decided to cancel d.About, in the transaction that does it. A request that was used before is an
// error: look with [Admin.Decided] first.
func (a *Admin) RecordCancel(ctx context.Context, tx pgx.Tx, d Decision) error {
	if d.Operator == "" || d.Request == "" {
		return fmt.Errorf("audit cancel of %s: %w operator or request", d.About, ErrUnknown)
	}

	if !reasonPattern.MatchString(d.Reason) {
		return fmt.Errorf("audit cancel of %s: %w", d.About, ErrReason)
	}

	err := a.q.db.AuditAdd(ctx, tx, db.AuditAddParams{
		Operator: d.Operator, Action: "cancel", Reason: &d.Reason, About: &d.About, Request: &d.Request, JobIds: []uuid.UUID{},
	})
	if err != nil {
		return fmt.Errorf("audit cancel of %s: %w", d.About, err)
	}

	return nil
}

// Decided returns what was decided with a request; [ErrNotFound]: nothing.
func (a *Admin) Decided(ctx context.Context, tx pgx.Tx, request string) (Decision, error) {
	r, err := a.q.db.AuditOfRequest(ctx, tx, request)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Decision{}, ErrNotFound
	case err != nil:
		return Decision{}, fmt.Errorf("look for request %s: %w", request, err)
	}

	d := Decision{At: r.At, Operator: r.Operator, Action: r.Action, Reason: orEmpty(r.Reason), Request: request}
	if r.About != nil {
		d.About = *r.About
	}

	return d, nil
}

// DecidedAbout lists what operators decided about something, oldest first.
func (a *Admin) DecidedAbout(ctx context.Context, about uuid.UUID) ([]Decision, error) {
	rows, err := a.q.db.AuditAbout(ctx, a.q.pool, about)
	if err != nil {
		return nil, fmt.Errorf("list decisions about %s: %w", about, err)
	}

	list := make([]Decision, len(rows))
	for i, r := range rows {
		list[i] = Decision{At: r.At, Operator: r.Operator, Action: r.Action, Reason: orEmpty(r.Reason), Request: orEmpty(r.Request), About: about}
	}

	return list, nil
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}

	return *text
}
