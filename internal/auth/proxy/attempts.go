package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"imagerun/internal/fault"
	"imagerun/internal/ratelimit"
)

// ErrPaused is the answer to one try too many. It is the same, and at the same try, whether or not there is such an account.
var ErrPaused = fault.New(fault.RateLimited, "auth_paused",
	"Too many tries for one account, or mails to one person, in a short time. Wait for as many seconds as Retry-After says.")

const (
	signIn         = Prefix + "/sign-in/email"
	signUp         = Prefix + "/sign-up/email"
	sendVerify     = Prefix + "/send-verification-email"
	requestReset   = Prefix + "/request-password-reset"
	changePassword = Prefix + "/change-password"
)

// guesses are how often a password may be wrong. The pause grows: after five tries it is a minute, after ten six
// minutes, after twenty more than an hour.
var guesses = []ratelimit.Limit{
	{Policy: "password", Quota: 5, Window: 5 * time.Minute},
	{Policy: "password-hour", Quota: 10, Window: time.Hour},
	{Policy: "password-day", Quota: 20, Window: 24 * time.Hour},
}

// limitMails are how many of one sort a person gets: three, then one in five minutes, then one in three hours.
func limitMails(sort string) []ratelimit.Limit {
	return []ratelimit.Limit{
		{Policy: "mail", Part: sort, Quota: 3, Window: 15 * time.Minute},
		{Policy: "mail-day", Part: sort, Quota: 8, Window: 24 * time.Hour},
	}
}

// attempt is a request that counts for a subject, whichever client address it comes from.
type attempt struct {
	subject string // a digest or an id, never an address
	limits  []ratelimit.Limit
	counts  func(status int) bool // whether an answer leaves it counted
	account string                // digest of the account that a sign-in is for; else empty
}

type attemptKey struct{}

// countAttempt returns what the service's answer decides about, or nil for a request that does not count. It counts
// before the service hears of the request: many at once are no way around it.
func (p *Proxy) countAttempt(r *http.Request, path string, body []byte) (*attempt, error) {
	if p.o.Limiter == nil {
		return nil, nil
	}

	a, err := p.attemptOf(r, path, body)
	if a == nil || err != nil {
		return nil, err
	}

	if d := p.o.Limiter.Allow(r.Context(), a.subject, a.limits...); !d.Allowed {
		return nil, ErrPaused.WithRetryAfter(d.RetryAfter())
	}

	return a, nil
}

func (p *Proxy) attemptOf(r *http.Request, path string, body []byte) (*attempt, error) {
	if path == changePassword { // asks for the present password, so it is a way to guess it
		caller, err := p.o.Authenticator.Authenticate(r.Context(), r)
		if err != nil {
			return nil, err
		}

		return &attempt{subject: caller.UserID.String(), limits: guesses, counts: isRefusal}, nil
	}

	if !namesAddress[path] {
		return nil, nil
	}

	var fields struct{ Email any } // of another type: the service refuses it

	if len(body) > 0 {
		if err := json.Unmarshal(body, &fields); err != nil {
			return nil, ErrJSON.WithCause(err)
		}
	}

	address, ok := fields.Email.(string)
	if !ok {
		return nil, nil
	}

	account := p.devices.Digest("account", normalizeAddress(address))
	device := p.knownDevice(r, account)

	if path == signIn {
		a := &attempt{subject: account, limits: guesses, counts: isRefusal, account: account}
		if device != "" {
			a.subject = device
		}

		return a, nil
	}

	a := &attempt{subject: p.devices.Digest("mailbox", normalizeMailbox(address)), limits: limitMails("verify"), counts: isSuccess}
	if device != "" {
		a.subject = device
	}

	if path == requestReset {
		a.limits = limitMails("reset")
	}

	return a, nil
}

// isRefusal: a wrong password, or what may stand for one. What the service did not judge, as too much of one client
// address, is none.
func isRefusal(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusTooManyRequests
}

func isSuccess(status int) bool { return status < http.StatusMultipleChoices }

// settleAttempt gives back what did not count. The owner who signed in is known by this device from now on.
func (p *Proxy) settleAttempt(ctx context.Context, status int, header http.Header) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok || a == nil {
		return
	}

	if !a.counts(status) {
		// A caller who leaves meanwhile has an answer all the same.
		p.o.Limiter.Return(context.WithoutCancel(ctx), a.subject, a.limits...)
	}

	if a.account != "" && status == http.StatusOK {
		header.Add("Set-Cookie", p.newDevice(a.account).String())
	}
}

// normalizeAddress is the spelling by which the service finds an account.
func normalizeAddress(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// dotless are domains whose mailboxes have any number of dots in their names, by the name that all of a provider's go by.
var dotless = map[string]string{
	"gmail.com": "gmail.com", "googlemail.com": "gmail.com", "proton.me": "proton.me", "protonmail.com": "proton.me", "pm.me": "proton.me",
}

// normalizeMailbox is where mail to an address arrives: people have more addresses than mailboxes, and mail to all of them is
// mail to one person. The same rule as that of verified_mailbox_digest in migrations/.
func normalizeMailbox(address string) string {
	address = normalizeAddress(address)

	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}

	name, domain := address[:at], address[at+1:]
	if plus := strings.IndexByte(name, '+'); plus > 0 {
		name = name[:plus]
	}

	if canonical, ok := dotless[domain]; ok {
		name, domain = strings.ReplaceAll(name, ".", ""), canonical
	}

	return name + "@" + domain
}
