package generation

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// callbackURL is where the provider posts the outcome of an attempt; empty: nowhere. The token
// in it names the attempt and cannot be guessed or made, so a callback identifies the attempt
// even when the reply to its submit was lost.
func (s *Service) callbackURL(attempt uuid.UUID) string {
	if s.Options.CallbackURL == "" {
		return ""
	}

	return strings.TrimRight(s.Options.CallbackURL, "/") + "/webhooks/fal/" + s.callbackToken(attempt)
}

func (s *Service) callbackToken(attempt uuid.UUID) string {
	mac := hmac.New(sha256.New, []byte(s.Options.CallbackSecret.Reveal()))
	mac.Write(attempt[:])

	return hex.EncodeToString(attempt[:]) + hex.EncodeToString(mac.Sum(nil)[:16])
}

// parseCallbackToken returns the attempt of a token that is ours.
func (s *Service) parseCallbackToken(token string) (uuid.UUID, bool) {
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
// collector is woken to fetch the result. Repeating it changes nothing. [ErrCallbackUnknown]:
// the token is not ours, or names another request than the notice does.
func (s *Service) ReceiveCallback(ctx context.Context, token string, cb providers.Callback) error {
	id, ok := s.parseCallbackToken(token)
	if !ok {
		return ErrCallbackUnknown
	}

	return postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		a, err := s.db.AttemptGet(ctx, tx, id)
		if notFound(err) {
			return ErrCallbackUnknown
		} else if err != nil {
			return fmt.Errorf("read attempt %s: %w", id, err)
		}

		t, err := s.lock(ctx, tx, a.TaskID)
		if err != nil {
			return err
		}

		// Read again under the lock: the reply to the submit may be arriving as well.
		if a, err = s.db.AttemptGet(ctx, tx, id); err != nil {
			return fmt.Errorf("read attempt %s: %w", id, err)
		}

		switch {
		case a.RequestID != nil && *a.RequestID != cb.RequestID:
			return ErrCallbackUnknown
		case a.FinishedAt != nil && a.RequestID == nil:
			return s.late(ctx, tx, a, cb.RequestID)
		case a.FinishedAt != nil || a.CallbackAt != nil:
			return nil
		}

		now := s.Now()
		if err := s.db.AttemptCallback(ctx, tx, db.AttemptCallbackParams{ID: a.ID, Callback: cb.Body, At: &now}); err != nil {
			return fmt.Errorf("keep callback of %s: %w", a.ID, err)
		}

		if err := s.identified(ctx, tx, t, a, providers.Ticket{RequestID: cb.RequestID}, 0); err != nil {
			return err
		}

		for kind, key := range map[string]uuid.UUID{
			queue.CollectGeneration{}.Kind(): a.ID,
			queue.SubmitGeneration{}.Kind():  t.ID, // it may be waiting for just this
			queue.CancelAttempt{}.Kind():     a.ID,
		} {
			if err := s.Queue.Wake(ctx, tx, kind, jobKey(kind, key)); err != nil {
				return err
			}
		}

		return nil
	})
}

// late has what an attempt made after it was given up for lost erased at the provider.
func (s *Service) late(ctx context.Context, tx pgx.Tx, a db.ProviderAttempt, requestID string) error {
	n, err := s.db.AttemptLate(ctx, tx, db.AttemptLateParams{ID: a.ID, RequestID: &requestID})
	if err != nil || n == 0 {
		return wrap(err, "identify late attempt "+a.ID.String())
	}

	return s.stage(ctx, tx, queue.EraseAttempt{AttemptID: a.ID}, a.ID, 0)
}
