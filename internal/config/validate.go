package config

import (
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"imagerun/internal/redact"
)

// Process is a program that reads the configuration.
type Process string

// The processes.
const (
	ProcessAPI       Process = "api"
	ProcessWorker    Process = "worker"
	ProcessScheduler Process = "scheduler"
	ProcessMigrate   Process = "migrate"
	ProcessOperator  Process = "operator" // the commands that look at jobs and change them
	ProcessSweep     Process = "sweep"    // the command that compares the bucket with the database
)

// Processes lists every process.
func Processes() []Process {
	return []Process{ProcessAPI, ProcessWorker, ProcessScheduler, ProcessMigrate, ProcessOperator, ProcessSweep}
}

// Needs lists the keys that process cannot start without.
func Needs(process Process) []string {
	base := []string{"postgres.url", "redis.url", "ops.user", "ops.password"}
	store := []string{"storage.endpoint", "storage.access_key", "storage.secret_key", "storage.bucket"}
	images := append(slices.Clone(store), "generation.callback_secret")

	switch process {
	case ProcessAPI:
		return slices.Concat(base, images, []string{"http.public_url", "auth.url", "auth.secret"})
	case ProcessWorker:
		return slices.Concat(base, images, []string{"fal.key"})
	case ProcessScheduler:
		return base
	case ProcessMigrate:
		return []string{"postgres.owner_url"}
	case ProcessOperator:
		return []string{"postgres.url"}
	case ProcessSweep:
		return append([]string{"postgres.url"}, store...)
	default:
		return nil
	}
}

const (
	minSecretLength   = 32 // characters; Better Auth asks the same of its secret
	minPasswordLength = 12
	// Creem makes its secrets, and says nothing of their length.
	minWebhookSecretLength = 24
	minConns               = 4 // a worker keeps one for its leases, and a job may need two at once
	// A link lives for two windows, and R2 refuses one of more than seven days.
	maxLinkWindow = 7 * 24 * time.Hour / 2
)

// validateFor checks every rule, and that process has what it needs.
func (c Config) validateFor(process Process) keyErrors {
	p := &keyErrors{}

	set := map[string]reflect.Value{}
	for _, l := range listLeaves(&c) {
		set[l.name] = l.value
		validatePositive(p, l)
	}

	for _, key := range Needs(process) {
		if set[key].IsZero() {
			p.add(key, "is needed by the %s: %s", process, findDoc(key))
		}
	}

	validateEnum(p, "env", string(c.Env), "development", "production")
	validateEnum(p, "creem.environment", c.Creem.Environment, "test", "live")
	validateEnum(p, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	validateEnum(p, "log.format", c.Log.Format, "json", "text")

	validateScheme(p, "postgres.url", c.Postgres.URL.Reveal(), "postgres", "postgresql")
	validateScheme(p, "postgres.owner_url", c.Postgres.OwnerURL.Reveal(), "postgres", "postgresql")
	validateScheme(p, "redis.url", c.Redis.URL.Reveal(), "redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")

	if n := c.Postgres.MaxConns; n > 0 && n < minConns {
		p.add("postgres.max_conns", "must be at least %d", minConns)
	}

	validateListenAddr(p, "http.addr", c.HTTP.Addr)
	validateListenAddr(p, "ops.addr", c.Ops.Addr)

	validateLength(p, "ops.password", c.Ops.Password, minPasswordLength)
	validateLength(p, "auth.secret", c.Auth.Secret, minSecretLength)
	validateLength(p, "generation.callback_secret", c.Generation.CallbackSecret, minSecretLength)

	for _, key := range c.Credits.WelcomeKeys {
		validateLength(p, "credits.welcome_keys", key, minSecretLength)
	}

	for _, secret := range c.Creem.WebhookSecrets {
		validateLength(p, "creem.webhook_secrets", secret, minWebhookSecretLength)
	}

	if len(c.Creem.WebhookSecrets) > 2 {
		p.add("creem.webhook_secrets", "must be two at most: the new one and the one that it replaces")
	}

	if c.Credits.ValueUSD != "" && c.Credits.Value() <= 0 {
		p.add("credits.value_usd", "must be a number above zero in quotes, such as \"0.012\"")
	}

	c.validateRisks(p)
	c.validateHTTP(p)
	c.validateAddresses(p)
	c.validateTimes(p)

	if err := c.Worker.Queues.validateGroups(); err != nil || len(c.Worker.Queues) == 0 {
		p.add("worker.queues", "must be %s", describeType(reflect.TypeFor[Queues]()))
	}

	if c.Env == Production {
		c.validateProduction(process, p)
	}

	return *p
}

func (c Config) validateHTTP(p *keyErrors) {
	header := c.HTTP.ClientAddressHeader

	switch {
	case header == "":
	case !regexp.MustCompile(`^[A-Za-z0-9-]+$`).MatchString(header):
		p.add("http.client_address_header", "must be the name of a header, such as X-Forwarded-For")
	case len(c.HTTP.TrustedProxies) == 0:
		p.add("http.trusted_proxies", "is needed with http.client_address_header: without it any caller could claim any address")
	}

	if c.Auth.CookieName == "" || strings.ContainsAny(c.Auth.CookieName, " \t;,=\"") {
		p.add("auth.cookie_name", "must be the name of a cookie: no spaces, quotes, commas, semicolons or equals signs")
	}
}

// validateAddresses: what people and vendors exchange with us is encrypted in production. The
// Better Auth service is ours and stands beside the api, so plain http is fine there.
func (c Config) validateAddresses(p *keyErrors) {
	validateOrigin(p, "auth.url", c.Auth.URL, false)
	validateOrigin(p, "http.public_url", c.HTTP.PublicURL, c.Env == Production)

	for _, allowed := range c.HTTP.AllowedOrigins {
		validateOrigin(p, "http.allowed_origins", allowed, c.Env == Production)
	}

	validateOrigin(p, "fal.webhook_url", c.Fal.WebhookURL, c.Env == Production)
	validateURL(p, "fal.queue_url", c.Fal.QueueURL, c.Env == Production)
	validateURL(p, "fal.rest_url", c.Fal.RestURL, c.Env == Production)
	validateURL(p, "fal.api_url", c.Fal.APIURL, c.Env == Production)
	validateURL(p, "creem.url", c.Creem.URL, c.Env == Production)
	validateOrigin(p, "storage.endpoint", c.Storage.Endpoint, c.Env == Production)

	if c.Fal.WebhookURL != "" && c.Fal.WebhookUserID == "" {
		p.add("fal.webhook_user_id", "is needed with fal.webhook_url: without it a webhook for another account would be believed")
	}

	if c.Creem.AllowPlainHTTP && c.Env == Production {
		p.add("creem.allow_plain_http", "is for development alone: remove it, or set env to development")
	}

	if c.Fal.AllowPrivateMedia && c.Env == Production {
		p.add("fal.allow_private_media", "is for development alone: remove it, or set env to development")
	}

	// A worker may wait 15 s for the reply to a submit; a worker that looks earlier may submit it again.
	if c.Generation.UnknownWait < 20*time.Second && c.Env == Production {
		p.add("generation.unknown_wait", "must be at least 20s in production, longer than a submit may take")
	}

	if len(c.Fal.MediaHosts) == 0 {
		p.add("fal.media_hosts", "must name the hosts that images come from, such as fal.media")
	}

	for _, host := range c.Fal.MediaHosts {
		if _, err := netip.ParseAddr(host); err == nil && c.Env == Production {
			p.add("fal.media_hosts", "must name hosts, not addresses, in production")
		} else if u, err := url.Parse("//" + host); err != nil || u.Hostname() != host {
			p.add("fal.media_hosts", "must name hosts without scheme, port or path, such as fal.media")
		}
	}
}

func (c Config) validateTimes(p *keyErrors) {
	if w := c.Storage.LinkWindow; w < time.Minute || w > maxLinkWindow {
		p.add("storage.link_window", "must be between 1m and 84h: a link lives for two windows, at most seven days")
	}

	if c.Generation.Deadline > c.Generation.MaxDeadline {
		p.add("generation.deadline", "must not be longer than generation.max_deadline")
	}

	if c.Upload.LinkLife > 24*time.Hour {
		p.add("upload.link_life", "must be at most 24h: until it ends, any holder of the link may send a file")
	}

	if c.Upload.MaxBytes > 32<<20 {
		p.add("upload.max_bytes", "must be at most 33554432 (32 MiB): no larger file is looked at")
	}

	if c.Worker.SoftStop >= c.Worker.HardStop {
		p.add("worker.hard_stop", "must be longer than worker.soft_stop")
	}
}

func validatePositive(p *keyErrors, l leaf) {
	if l.value.CanInt() && l.value.Int() <= 0 {
		p.add(l.name, "must be more than zero")
	}
}

func validateEnum(p *keyErrors, key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.add(key, "must be one of %s", strings.Join(allowed, ", "))
	}
}

func validateLength(p *keyErrors, key string, s redact.Secret, least int) {
	if n := len(s.Reveal()); n > 0 && n < least {
		p.add(key, "must be at least %d characters long: openssl rand -base64 33 makes a good one", least)
	}
}

// validateScheme checks the addresses of databases; their clients know the rest.
func validateScheme(p *keyErrors, key, value string, allowed ...string) {
	if value == "" {
		return
	}

	if s, rest, ok := strings.Cut(value, "://"); !ok || rest == "" || !slices.Contains(allowed, s) {
		p.add(key, "must begin with %s://", strings.Join(allowed, ":// or "))
	}
}

func validateListenAddr(p *keyErrors, key, value string) {
	_, port, err := net.SplitHostPort(value)
	if n, numErr := strconv.Atoi(port); err != nil || numErr != nil || n < 0 || n > 65535 {
		p.add(key, `must be an address to listen on, such as ":8080" or "127.0.0.1:8080"`)
	}
}

// validateURL checks an http address that may have a path.
func validateURL(p *keyErrors, key, value string, encrypted bool) {
	if value == "" {
		return
	}

	u, err := url.Parse(value)

	switch {
	case err != nil, u.Host == "", u.Scheme != "https" && u.Scheme != "http":
		p.add(key, "must be an address such as https://imagerun.example")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		p.add(key, "must be without user, password, query and fragment")
	case encrypted && u.Scheme != "https":
		p.add(key, "must begin with https:// in production")
	}
}

// validateOrigin checks an http address that must not have a path.
func validateOrigin(p *keyErrors, key, value string, encrypted bool) {
	validateURL(p, key, value, encrypted)

	if u, err := url.Parse(value); err == nil && strings.Trim(u.Path, "/") != "" {
		p.add(key, "must be without a path")
	}
}

func findDoc(key string) string {
	for _, l := range listLeaves(new(Config)) {
		if l.name == key {
			return l.doc
		}
	}

	return ""
}
