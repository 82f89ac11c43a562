package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/credits"
)

// prefix is that of generations' ids, as the API shows them.
const prefix = "gen_"

var supportCode = regexp.MustCompile(`^[0-9A-Z]{10}$`)

// name is what an operator calls somebody or something by: one of the three.
type name struct {
	text       string
	id         uuid.UUID // bare
	generation uuid.UUID
	code       string // a support code, as the table has it
}

func parseName(text string) (name, error) {
	n := name{text: text}

	if digits, ok := strings.CutPrefix(text, prefix); ok {
		raw, err := hex.DecodeString(digits)
		if err != nil || len(raw) != len(n.generation) {
			return n, misuse("%q is not the id of a generation: that is %s and 32 digits", text, prefix)
		}

		n.generation = uuid.UUID(raw)

		return n, nil
	}

	if id, err := uuid.Parse(text); err == nil {
		n.id = id

		return n, nil
	}

	code := strings.NewReplacer("-", "", " ", "").Replace(strings.ToUpper(text))
	if !supportCode.MatchString(code) {
		return n, misuse("%q is neither an id nor a support code (they look like 4X9KQ-7M2AB)", text)
	}

	n.code = code[:5] + "-" + code[5:]

	return n, nil
}

// user finds whom a name means: who has an account, with credits or without.
func (f *creditsTool) user(ctx context.Context, pool *pgxpool.Pool, n name) (userID uuid.UUID, err error) {
	id := n.id

	if id == uuid.Nil {
		if id, err = f.author(ctx, pool, n); err != nil {
			return id, err
		}
	}

	err = pool.QueryRow(ctx, `select "id" from auth."user" where "id" = $1
		union select user_id from billing_subject where user_id = $1 or subject = $1`, id).Scan(&userID)

	switch {
	case !errors.Is(err, pgx.ErrNoRows):
		return userID, named(err, n)
	case n.id == uuid.Nil:
		return userID, fmt.Errorf("the account of %s is erased", n.text)
	default:
		return userID, fmt.Errorf("there is no user %s; a generation of theirs would do as well: see --help", n.text)
	}
}

// author finds whose a generation is: by the ledger, where the generation itself is gone.
func (f *creditsTool) author(ctx context.Context, pool *pgxpool.Pool, n name) (userID uuid.UUID, err error) {
	err = pool.QueryRow(ctx, `select user_id from ai_task where id = $1 or support_code = $2`, n.generation, n.code).Scan(&userID)
	if errors.Is(err, pgx.ErrNoRows) {
		userID, err = f.ledger.Holder(ctx, pool, n.generation)
	}

	if errors.Is(err, credits.ErrNoHold) {
		return userID, fmt.Errorf("there is no generation %s", n.text)
	}

	return userID, named(err, n)
}

// task finds which generation a name means. One whose row is gone may still be in the ledger.
func (f *creditsTool) task(ctx context.Context, pool *pgxpool.Pool, n name) (taskID uuid.UUID, err error) {
	switch {
	case n.generation != uuid.Nil:
		return n.generation, nil
	case n.id != uuid.Nil: // as logs have it
		return n.id, nil
	}

	err = pool.QueryRow(ctx, `select id from ai_task where support_code = $1`, n.code).Scan(&taskID)
	if errors.Is(err, pgx.ErrNoRows) {
		return taskID, fmt.Errorf("there is no generation of the support code %s", n.code)
	}

	return taskID, named(err, n)
}

func named(err error, n name) error {
	if err != nil {
		return fmt.Errorf("look for %s: %w", n.text, err)
	}

	return nil
}

// generationID writes an id as the API does.
func generationID(id uuid.UUID) string { return prefix + hex.EncodeToString(id[:]) }
