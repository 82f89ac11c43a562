package betterauth

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/jobs"
	"imagerun/internal/redact"
	"imagerun/internal/retention"
	"imagerun/queue"
)

// Accounts are those of the auth service, of which we read the address and delete what is over.
type Accounts struct{ db DB }

// NewAccounts returns the accounts in a database.
func NewAccounts(db DB) *Accounts { return &Accounts{db} }

// Register makes a the handler of what schedulers of the release before stage.
func (a *Accounts) Register(r *queue.Registry) {
	queue.Register(r, retention.Former[jobs.PurgeAuth](a.Retention()...))
}

// Retention is what is kept by the auth service for a time. One function of the database deletes it all: the processes may
// not read or delete accounts.
func (a *Accounts) Retention() []retention.Class {
	return []retention.Class{{
		Name: "auth",
		Tables: []retention.Table{
			{Name: "auth.session", Columns: []string{"impersonatedBy", "ipAddress", "token", "userAgent"}},
			{Name: "auth.verification", Columns: []string{"identifier", "value"}},
			{Name: `auth."rateLimit"`, Columns: []string{"key"}, After: retention.Day},
			{Name: "auth_mail", Columns: []string{"kind", "recipient", "token", "url"}, After: retention.Day},
			// Those whose address was not verified.
			{Name: `auth."user"`, Columns: []string{"banReason", "email", "image", "name", "role"}, After: 7 * retention.Day},
		},
		Purge: &retention.Purge{Cadence: retention.Hourly, Batch: 1000, Step: a.Purge},
	}}
}

// Purge deletes what is over, at most so many rows of each table: expired sessions and reset links, accounts whose
// address was not verified within a week, mails that were not sent within a day, idle rate limits. It returns the most
// rows that went of one table: with fewer than most, nothing is left.
func (a *Accounts) Purge(ctx context.Context, most int) (int, error) {
	var n int

	if err := a.db.QueryRow(ctx, `select auth.purge($1)`, most).Scan(&n); err != nil {
		return 0, fmt.Errorf("purge what is over of the auth service: %w", err)
	}

	return n, nil
}

// AddressOf returns the address of a user's account; empty: there is no such account.
func (a *Accounts) AddressOf(ctx context.Context, userID uuid.UUID) (address redact.Personal, err error) {
	if err := a.db.QueryRow(ctx, `select account_address($1)`, userID).Scan(&address); err != nil {
		return redact.Personal{}, fmt.Errorf("read address of user %s: %w", userID, err)
	}

	return address, nil
}
