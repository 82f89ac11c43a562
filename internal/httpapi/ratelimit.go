package httpapi

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/fault"
	"imagerun/internal/plan"
	"imagerun/internal/ratelimit"
)

// Plans says what users may.
type Plans interface {
	// PlanOf returns a user's plan; every request asks for it.
	PlanOf(ctx context.Context, userID uuid.UUID) (plan.Plan, error)
}

// RateLimits counts requests.
type RateLimits interface {
	// Allow judges one request of a subject, an opaque id, against all limits together. It always
	// answers, and soon.
	Allow(ctx context.Context, subject string, limits ...ratelimit.Limit) ratelimit.Decision
	// AllowMany judges n requests at once, and returns how many of them it allowed.
	AllowMany(ctx context.Context, subject string, n int, limits ...ratelimit.Limit) (int, ratelimit.Decision)
}

// The names of the limits, as callers, metrics and docs/operations.md have them.
const (
	policyRequests    = "requests"
	policyKey         = "key-requests"
	policySubmissions = "submissions"
)

// What draft-ietf-httpapi-ratelimit-headers-11 §5.1 calls the problem.
const (
	quotaExceeded      = "https://iana.org/assignments/http-problem-types#quota-exceeded"
	quotaExceededTitle = "Request cannot be satisfied as assigned quota has been exceeded"
)

var errRateLimited = fault.New(fault.RateLimited, "rate_limited", "Too many requests in a short time. Wait for as many seconds as Retry-After says. Nothing was started or charged.")

// exceededError names the limits that refused, for the problem.
type exceededError struct{ policies []string }

func (e *exceededError) Error() string { return "exceeded " + strings.Join(e.policies, ", ") }

// limitRequest counts a request and says how it stands, whatever becomes of it.
func (s *server) limitRequest(w http.ResponseWriter, r *http.Request, p *auth.Principal, a access) error {
	plan, err := s.Plans.PlanOf(r.Context(), p.UserID)
	if err != nil {
		return err
	}

	d := s.RateLimits.Allow(r.Context(), p.UserID.String(), limitsOf(plan.Rate, p, a.submits)...)
	exchangeOf(r.Context()).standings = d.Standings
	setRateLimitHeaders(w.Header(), d.Standings)

	if d.Allowed {
		return nil
	}

	return newRateLimitedError(d)
}

// limitSubmissions counts so many submissions that came in one request, and returns how many of them are allowed, how that
// limit stands, and why the others are refused.
func (s *server) limitSubmissions(ctx context.Context, userID uuid.UUID, n int) (allowed int, standings []ratelimit.Standing, refusal error, err error) {
	plan, err := s.Plans.PlanOf(ctx, userID)
	if err != nil {
		return 0, nil, nil, err
	}

	allowed, d := s.RateLimits.AllowMany(ctx, userID.String(), n, burstLimit(plan.Rate.Submissions))

	return allowed, d.Standings, newRateLimitedError(d), nil
}

// newRateLimitedError refuses a request that is over some limits, and names these.
func newRateLimitedError(d ratelimit.Decision) error {
	over := &exceededError{}
	for _, v := range d.Violated() {
		over.policies = append(over.policies, v.Policy)
	}

	return errRateLimited.WithRetryAfter(d.RetryAfter()).WithCause(over)
}

// limitsOf returns what a request counts against. A key may use up four fifths of its owner's
// requests, so that a program that runs wild leaves them able to look, cancel and revoke it.
func limitsOf(rate plan.Rate, p *auth.Principal, submits bool) []ratelimit.Limit {
	limits := []ratelimit.Limit{{Policy: policyRequests, Quota: rate.Requests, Window: time.Minute}}

	if p.Method == auth.MethodAPIKey {
		limits = append(limits, ratelimit.Limit{
			Policy: policyKey, Part: p.KeyID.String(), Quota: max(rate.Requests*4/5, 1), Window: time.Minute,
		})
	}

	if submits {
		limits = append(limits, burstLimit(rate.Submissions))
	}

	return limits
}

// burstLimit keeps the pace of so many submissions in a minute, but lets fewer of them come at once: a
// third of them within twenty seconds, or ten within as long as ten take, where that is a whole number of
// seconds.
func burstLimit(inMinute int) ratelimit.Limit {
	l := ratelimit.Limit{Policy: policySubmissions, Quota: inMinute, Window: time.Minute}

	if n := max(inMinute/3, 10); n < inMinute && 60*n%inMinute == 0 {
		l.Quota, l.Window = n, time.Duration(60*n/inMinute)*time.Second
	}

	return l
}

// setRateLimitHeaders writes both fields as lists of strings with parameters (RFC 9651 §3.1); the names need no
// escapes. Seconds are rounded up: what is promised is there by then.
func setRateLimitHeaders(h http.Header, standings []ratelimit.Standing) {
	policies, left := make([]string, len(standings)), make([]string, len(standings))

	for i, s := range standings {
		policies[i] = fmt.Sprintf(`"%s";q=%d;w=%d`, s.Policy, s.Quota, int(s.Window.Seconds()))
		left[i] = fmt.Sprintf(`"%s";r=%d;t=%d`, s.Policy, s.Remaining, int(math.Ceil(s.Next.Seconds())))
	}

	h.Set("RateLimit-Policy", strings.Join(policies, ", "))
	h.Set("RateLimit", strings.Join(left, ", "))
}
