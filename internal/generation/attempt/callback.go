package attempt

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
)

// callbackURL is where the provider posts the outcome of an attempt; empty: nowhere. The token
// in it names the attempt and cannot be guessed or made, so a callback identifies the attempt
// even when the reply to its submit was lost.
func (s *Attempts) callbackURL(attempt uuid.UUID) string {
	if s.Options.CallbackURL == "" {
		return ""
	}

	return strings.TrimRight(s.Options.CallbackURL, "/") + "/webhooks/fal/" + s.callbackToken(attempt)
}

func (s *Attempts) callbackToken(attempt uuid.UUID) string {
	mac := hmac.New(sha256.New, []byte(s.Options.CallbackSecret.Reveal()))
	mac.Write(attempt[:])

	return hex.EncodeToString(attempt[:]) + hex.EncodeToString(mac.Sum(nil)[:16])
}

// parseCallbackToken returns the attempt of a token that is ours.
func (s *Attempts) parseCallbackToken(token string) (uuid.UUID, bool) {
	if len(token) != 64 {
		return uuid.Nil, false
	}

	id, err := uuid.Parse(token[:32])
	if err != nil || !hmac.Equal([]byte(token), []byte(s.callbackToken(id))) {
		return uuid.Nil, false
	}

	return id, true
}

// ReceiveCallback takes a verified notice that an attempt has finished: it is kept, and the
// collector is woken to fetch the result. Repeating it changes nothing. [generation.ErrCallbackUnknown]:
// the token is not ours, or names another request than the notice does.
func (s *Attempts) ReceiveCallback(ctx context.Context, token string, cb providers.Callback) error {
	id, ok := s.parseCallbackToken(token)
	if !ok {
		return generation.ErrCallbackUnknown
	}

	return postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		t, a, late, err := s.lockIdentified(ctx, tx, id, cb.RequestID)

		switch {
		case postgres.IsNotFound(err):
			return generation.ErrCallbackUnknown
		case err != nil || late:
			return err
		case a.RequestID != nil && *a.RequestID != cb.RequestID:
			return generation.ErrCallbackUnknown
		case a.FinishedAt != nil || a.CallbackAt != nil:
			return nil
		}

		now := s.Now()

		n, err := s.db.AttemptCallback(ctx, tx, db.AttemptCallbackParams{ID: a.ID, Callback: cb.Body, At: &now})
		if err := changedOne(n, err); err != nil {
			return fmt.Errorf("keep callback of %s: %w", a.ID, err)
		}

		if err := s.recordRequest(ctx, tx, t, a, providers.Ticket{RequestID: cb.RequestID}, 0); err != nil {
			return err
		}

		return s.wakeJobs(ctx, tx, t.ID, a.ID)
	})
}

// wakeJobs wakes whatever follows an attempt of a locked task, and what may be waiting for just this.
func (s *Attempts) wakeJobs(ctx context.Context, tx pgx.Tx, task, attempt uuid.UUID) error {
	for _, job := range []struct {
		kind string
		key  uuid.UUID
	}{
		{jobs.CollectGeneration{}.Kind(), attempt},
		{jobs.SubmitGeneration{}.Kind(), task},
		{jobs.CancelAttempt{}.Kind(), attempt},
	} {
		if err := s.Tasks.Wake(ctx, tx, job.kind, job.key); err != nil {
			return err
		}
	}

	return nil
}
