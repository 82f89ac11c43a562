package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"imagerun/internal/redact"
)

// What production refuses unless accepted_risks names it.
const (
	plainPostgres = "plain_postgres"
	plainRedis    = "plain_redis"
	clientAddress = "client_address"
)

// publishedSecrets are those of compose.yaml, which is public.
func publishedSecrets() []string {
	return []string{
		"imagerun-app", "imagerun-api", "imagerun-worker", "imagerun-scheduler", "imagerun-operator-login", "imagerun-owner", "imagerun-operator",
		"imagerun-s3-secret", "sim:fal-simulator-key",
		"a-secret-of-development-for-sessions", "a-secret-of-development-for-callbacks", "a-secret-of-development-for-addresses",
		"creem_test_simulator_key", "a-secret-of-development-for-webhooks",
	}
}

// validateProduction refuses what does no harm on a laptop: secrets that are none, connections that others can listen
// to, and callers who cannot be told apart.
func (c Config) validateProduction(process Process, p *keyErrors) {
	c.validateSecrets(p)

	for _, db := range []struct {
		key string
		url redact.Secret
	}{{"postgres.url", c.Postgres.URL}, {"postgres.owner_url", c.Postgres.OwnerURL}} {
		if maybePlainPostgres(db.url.Reveal()) && !c.acceptsRisk(plainPostgres) {
			p.add(db.key, "goes to another machine, and nothing says that it must be by TLS: add sslmode=verify-full, or name %s in accepted_risks", plainPostgres)
		}
	}

	if isPlainRedis(c.Redis.URL.Reveal()) && !c.acceptsRisk(plainRedis) {
		p.add("redis.url", "goes to another machine without TLS: begin it with rediss, or name %s in accepted_risks", plainRedis)
	}

	if process != ProcessAPI {
		return
	}

	// The api speaks no TLS, so the proxy that ends it stands before the api, and is the only peer there is.
	if c.HTTP.ClientAddressHeader == "" && !c.acceptsRisk(clientAddress) {
		p.add("http.client_address_header", "is needed where people come by https: without it they all have the address of what ends their TLS, and share its limits; "+
			"name the header in which that writes theirs, or %s in accepted_risks", clientAddress)
	}

	if slices.ContainsFunc(c.HTTP.TrustedProxies, func(n netip.Prefix) bool { return n.Bits() == 0 }) {
		p.add("http.trusted_proxies", "must not be the whole internet: any caller could claim any address")
	}

	if !strings.HasPrefix(c.Auth.CookieName, "__Host-") {
		p.add("auth.cookie_name", "must begin with __Host- in production, as the service names it behind https: browsers let no other host set such a cookie")
	}
}

// acceptsRisk reports whether a risk was decided on.
func (c Config) acceptsRisk(risk string) bool { return slices.Contains(c.AcceptedRisks, risk) }

// validateSecrets refuses those that are published, and one that is used twice: an attacker who learns it at one place has the other.
func (c Config) validateSecrets(p *keyErrors) {
	usedBy := map[string]string{}

	for _, s := range c.listSecrets() {
		if slices.Contains(publishedSecrets(), s.value) {
			p.add(s.key, "has a secret that everybody can read in compose.yaml: make another, as openssl rand -base64 33 does")

			continue
		}

		if other, twice := usedBy[s.value]; twice {
			p.add(s.key, "has the same secret as %s, so that who learns one has both: make another, as openssl rand -base64 33 does", other)

			continue
		}

		usedBy[s.value] = s.key
	}
}

// secret is what must not become known, and the key that has it.
type secret struct{ key, value string }

// listSecrets lists what is secret: of an address the password.
func (c Config) listSecrets() (all []secret) {
	for _, l := range listLeaves(&c) {
		var values []redact.Secret

		switch v := l.value.Interface().(type) {
		case redact.Secret:
			values = []redact.Secret{v}
		case []redact.Secret:
			values = v
		}

		for _, v := range values {
			value := v.Reveal()
			if strings.Contains(value, "://") {
				value, _ = splitAuthority(value)
			}

			if value != "" {
				all = append(all, secret{l.name, value})
			}
		}
	}

	return all
}

// maybePlainPostgres reports whether pgx may speak to another machine in the clear with this address. An address that it does
// not understand is refused when the process starts.
func maybePlainPostgres(address string) bool {
	cfg, err := pgconn.ParseConfig(address)
	if err != nil || address == "" {
		return false
	}

	if cfg.TLSConfig == nil && !isHere(cfg.Host) {
		return true
	}

	// sslmode=prefer, which is pgx's default, tries again without.
	return slices.ContainsFunc(cfg.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil && !isHere(f.Host) })
}

func isPlainRedis(address string) bool {
	if !strings.HasPrefix(address, "redis:") && !strings.HasPrefix(address, "redis+") {
		return false
	}

	_, hosts := splitAuthority(address)

	return slices.ContainsFunc(hosts, func(host string) bool { return !isHere(host) })
}

// splitAuthority returns the password of an address, and its hosts: a Cluster has several.
func splitAuthority(address string) (password string, hosts []string) {
	_, rest, _ := strings.Cut(address, "://")
	rest = rest[:min(len(rest), strings.IndexAny(rest+"/", "/?"))]

	if at := strings.LastIndex(rest, "@"); at >= 0 {
		_, password, _ = strings.Cut(rest[:at], ":")
		if unescaped, err := url.PathUnescape(password); err == nil {
			password = unescaped
		}

		rest = rest[at+1:]
	}

	for host := range strings.SplitSeq(rest, ",") {
		hosts = append(hosts, (&url.URL{Host: host}).Hostname())
	}

	return password, hosts
}

// isHere reports whether a host is this machine: its loopback, or a folder with a socket.
func isHere(host string) bool {
	addr, err := netip.ParseAddr(host)

	return host == "" || host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || err == nil && addr.IsLoopback()
}

// validateRisks refuses names that accept nothing.
func (c Config) validateRisks(p *keyErrors) {
	known := []string{plainPostgres, plainRedis, clientAddress}

	for _, risk := range c.AcceptedRisks {
		if !slices.Contains(known, risk) {
			p.add("accepted_risks", "must name only %s", strings.Join(known, ", "))
		}
	}
}
