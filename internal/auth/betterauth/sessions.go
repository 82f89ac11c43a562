// Package betterauth judges the sessions that the Better Auth service in auth/ makes.
//
// The service signs, we verify: a cookie or bearer token is the session's token, a dot, and the
// base64 of its HMAC-SHA256 under the secret both have (Better Auth 1.7, better-call's signed
// cookies). The token alone, as it stands in the table, is never accepted, so a reader of
// the table cannot act as its users. What the signature proves is then looked up at every
// request, so that sign-out, expiry and ban count at once.
//
// Sessions are not extended here. Better Auth does so in GET /api/auth/get-session, once a day
// of a session's age, and a front end calls that when it loads.
package betterauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/auth"
	"imagerun/internal/clock"
	"imagerun/internal/redact"
)

// maxSigned is more than any signed token has: 32 characters, a dot and 44, each percent-encoded.
const maxSigned = 256

// DB is what Sessions needs of a pool.
type DB interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Options are what the service must agree on with us.
type Options struct {
	Secret redact.Secret // BETTER_AUTH_SECRET of the service
	Now    clock.Now
}

// Sessions judges signed session tokens. It is safe for concurrent use.
type Sessions struct {
	db  DB
	key []byte
	now clock.Now
}

// New returns a judge of the sessions in db.
func New(db DB, o Options) *Sessions {
	return &Sessions{db: db, key: []byte(o.Secret.Reveal()), now: o.Now}
}

// CookieName returns the name of the session cookie that the service sets when it is configured
// with this prefix and public origin.
func CookieName(prefix, origin string) string {
	name := prefix + ".session_token"
	if strings.HasPrefix(origin, "https://") {
		return "__Host-" + name
	}

	return name
}

// Nothing in this product makes a session in which one user acts as another; should one appear
// in the table, it is refused rather than taken for the user's own.
const findSessionSQL = `
select s."userId", s."createdAt"
from auth."session" s
join auth."user" u on u."id" = s."userId"
where s."token" = $1
  and s."expiresAt" > $2
  and s."impersonatedBy" is null
  and not (coalesce(u."banned", false) and (u."banExpires" is null or u."banExpires" > $2))`

// Verify returns whose session a signed token belongs to, or [auth.ErrUnauthenticated]. It takes the
// token as the cookie has it (percent-encoded) and as the set-auth-token header has it.
func (s *Sessions) Verify(ctx context.Context, signed redact.Secret) (*auth.Principal, error) {
	token, ok := s.verifySignature(signed.Reveal())
	if !ok {
		return nil, auth.ErrUnauthenticated
	}

	var (
		user  uuid.UUID
		since time.Time
	)

	err := s.db.QueryRow(ctx, findSessionSQL, token, s.now()).Scan(&user, &since)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, auth.ErrUnauthenticated
	}

	if err != nil {
		return nil, fmt.Errorf("judge a session: %w", err)
	}

	return &auth.Principal{UserID: user, Method: auth.MethodBearer, SessionAt: since.UTC()}, nil
}

// verifySignature returns the token inside a signed one if the signature is ours.
func (s *Sessions) verifySignature(signed string) (token string, ok bool) {
	if len(signed) > maxSigned {
		return "", false
	}

	// Not QueryUnescape, which makes a space of the + that base64 has.
	signed, err := url.PathUnescape(signed)
	if err != nil {
		return "", false
	}

	dot := strings.LastIndexByte(signed, '.')
	if dot <= 0 {
		return "", false
	}

	token = signed[:dot]

	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(token))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))

	// The texts are compared, so that one signature has one spelling.
	return token, hmac.Equal([]byte(signed[dot+1:]), []byte(want))
}
