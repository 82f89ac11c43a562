package apikey

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey/db"
	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/postgres"
	"imagerun/internal/redact"
)

const (
	// MaxLive is how many keys of a user work at a time.
	MaxLive = 50

	// maxName is the longest name, in characters.
	maxName = 80

	// maxListed bounds a list; keys that work come first, so none of them is ever cut off.
	maxListed = 100
)

// The faults of this package.
var (
	ErrInvalid  = fault.New(fault.Invalid, "validation_failed", "The request is not valid. See errors for what to change; no key was made.")
	ErrTooMany  = fault.New(fault.Conflict, "too_many_api_keys", "You have 50 API keys that work, which is the most. Revoke one that you no longer need.")
	ErrNotFound = fault.New(fault.NotFound, "not_found", "You have no such API key.")
)

// Key is what is known of a key once it was made. The secret is not.
type Key struct {
	ID         uuid.UUID
	Name       string // the user's own
	Prefix     string // the start of the key, to recognise it by
	Scopes     []auth.Scope
	CreatedAt  time.Time
	ExpiresAt  *time.Time // nil: never
	LastUsedAt *time.Time // nil: never used; up to a minute old
}

// DB is what Keys needs of a pool.
type DB interface {
	db.DBTX
	postgres.Pool
}

// Options configure Keys.
type Options struct {
	Label string // of this installation, in every key: lower-case letters and digits; "" is "live"
	Now   clock.Now
	Log   *slog.Logger
}

// Keys makes and judges API keys. It is safe for concurrent use.
type Keys struct {
	db    DB
	q     *db.Queries
	label string
	now   clock.Now
	log   *slog.Logger
	used  lastUses
}

// New returns the keys in pool.
func New(pool DB, o Options) *Keys {
	if o.Label == "" {
		o.Label = "live"
	}

	return &Keys{db: pool, q: db.New(), label: o.Label, now: o.Now, log: o.Log}
}

// Create makes a key of the user and returns it with its plaintext, which cannot be had again.
// expires is nil for a key that never expires. Returns [ErrInvalid] or [ErrTooMany].
func (k *Keys) Create(ctx context.Context, user uuid.UUID, name string, scopes []auth.Scope, expires *time.Time) (Key, redact.Secret, error) {
	now := k.now()

	if err := validateKey(name, scopes, expires, now); err != nil {
		return Key{}, redact.Secret{}, err
	}

	plain := newKey(k.label)
	key := Key{
		ID: plain.id, Name: name, Prefix: plain.displayPrefix(),
		Scopes: slices.Compact(slices.Sorted(slices.Values(scopes))), CreatedAt: now, ExpiresAt: expires,
	}

	err := postgres.InTx(ctx, k.db, func(tx *postgres.Tx) error {
		if err := k.q.KeyLock(ctx, tx, "api_key:"+user.String()); err != nil {
			return fmt.Errorf("lock the api keys of %s: %w", user, err)
		}

		live, err := k.q.KeyCountLive(ctx, tx, db.KeyCountLiveParams{UserID: user, Now: now})
		if err != nil {
			return fmt.Errorf("count the api keys of %s: %w", user, err)
		}

		if live >= MaxLive {
			return ErrTooMany
		}

		return k.q.KeyInsert(ctx, tx, db.KeyInsertParams{
			ID: key.ID, UserID: user, Name: name, Prefix: key.Prefix, SecretHash: plain.hashSecret(),
			Scopes: formatScopes(key.Scopes), CreatedAt: now, ExpiresAt: expires,
		})
	})
	if err != nil {
		return Key{}, redact.Secret{}, fmt.Errorf("create an api key for %s: %w", user, err)
	}

	return key, redact.NewSecret(plain.String()), nil
}

// List returns the user's keys that are not revoked: those that work first, the newest first.
func (k *Keys) List(ctx context.Context, user uuid.UUID) ([]Key, error) {
	rows, err := k.q.KeyList(ctx, k.db, db.KeyListParams{UserID: user, Now: k.now(), MaxRows: maxListed})
	if err != nil {
		return nil, fmt.Errorf("list the api keys of %s: %w", user, err)
	}

	keys := make([]Key, 0, len(rows))
	for _, r := range rows {
		keys = append(keys, Key{
			ID: r.ID, Name: r.Name, Prefix: r.Prefix, Scopes: parseScopes(r.Scopes),
			CreatedAt: r.CreatedAt.UTC(), ExpiresAt: toUTC(r.ExpiresAt), LastUsedAt: toUTC(r.LastUsedAt),
		})
	}

	return keys, nil
}

// Revoke ends the user's key for good, at its next use. Revoking it again changes nothing. A key that is
// not the user's is [ErrNotFound].
func (k *Keys) Revoke(ctx context.Context, user, id uuid.UUID) error {
	n, err := k.q.KeyRevoke(ctx, k.db, db.KeyRevokeParams{Now: k.now(), ID: id, UserID: user})
	if err != nil {
		return fmt.Errorf("revoke api key %s: %w", id, err)
	}

	if n == 0 {
		return ErrNotFound
	}

	return nil
}

// Authenticate returns whose key it is and what the key may do, or [auth.ErrUnauthenticated].
func (k *Keys) Authenticate(ctx context.Context, plaintext redact.Secret) (*auth.Principal, error) {
	plain, ok := parseKey(k.label, plaintext.Reveal())
	if !ok {
		return nil, auth.ErrUnauthenticated
	}

	now := k.now()

	row, err := k.q.KeyForAuthentication(ctx, k.db, db.KeyForAuthenticationParams{ID: plain.id, Now: now})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, auth.ErrUnauthenticated
	}

	if err != nil {
		return nil, fmt.Errorf("judge api key %s: %w", plain.id, err)
	}

	if subtle.ConstantTimeCompare(row.SecretHash, plain.hashSecret()) != 1 {
		return nil, auth.ErrUnauthenticated
	}

	if row.LastUsedAt == nil || now.Sub(*row.LastUsedAt) >= time.Minute {
		k.used.recordUse(plain.id, now)
	}

	return &auth.Principal{UserID: row.UserID, Method: auth.MethodAPIKey, KeyID: plain.id, Scopes: parseScopes(row.Scopes)}, nil
}

func validateKey(name string, scopes []auth.Scope, expires *time.Time, now time.Time) error {
	var wrong []fault.Field

	if strings.TrimSpace(name) == "" {
		wrong = append(wrong, fault.Field{Pointer: "#/name", Keyword: "minLength", Detail: "Give the key a name to tell it apart."})
	}

	if utf8.RuneCountInString(name) > maxName {
		wrong = append(wrong, fault.Field{Pointer: "#/name", Keyword: "maxLength", Detail: "Use at most 80 characters."})
	}

	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		wrong = append(wrong, fault.Field{Pointer: "#/name", Keyword: "pattern", Detail: "Use text without NUL characters, in UTF-8."})
	}

	if len(scopes) == 0 {
		wrong = append(wrong, fault.Field{Pointer: "#/scopes", Keyword: "minItems", Detail: "Name at least one scope."})
	}

	for i, s := range scopes {
		if !slices.Contains(auth.KeyScopes(), s) {
			wrong = append(wrong, fault.Field{
				Pointer: fmt.Sprintf("#/scopes/%d", i), Keyword: "enum", Detail: "Use one of: " + strings.Join(formatScopes(auth.KeyScopes()), ", ") + ".",
			})
		}
	}

	if expires != nil && !expires.After(now) {
		wrong = append(wrong, fault.Field{Pointer: "#/expires_at", Keyword: "minimum", Detail: "Give a time in the future, or none for a key that never expires."})
	}

	if expires != nil && !expires.Before(clock.Latest()) {
		wrong = append(wrong, fault.Field{Pointer: "#/expires_at", Keyword: "maximum", Detail: "Give a time before the year 9999, or none for a key that never expires."})
	}

	if len(wrong) > 0 {
		return ErrInvalid.WithFields(wrong...)
	}

	return nil
}

// toUTC undoes pgx's choice of the machine's zone.
func toUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}

	u := t.UTC()

	return &u
}

func parseScopes(texts []string) []auth.Scope {
	scopes := make([]auth.Scope, len(texts))
	for i, t := range texts {
		scopes[i] = auth.Scope(t)
	}

	return scopes
}

func formatScopes(scopes []auth.Scope) []string {
	texts := make([]string, len(scopes))
	for i, s := range scopes {
		texts[i] = string(s)
	}

	return texts
}
