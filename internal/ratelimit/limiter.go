package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"imagerun/internal/clock"
)

// Options of a [Limiter].
type Options struct {
	// Timeout is how long a question waits for Redis. Zero: 50 ms.
	Timeout time.Duration
	// CoolOff is how long Redis is left alone after it failed. Zero: 1 s.
	CoolOff time.Duration
	// Remembered is how many counts this process keeps for when Redis is away; beyond that, those
	// not asked about for longest begin anew. Zero: 65,536, some 10 MiB.
	Remembered int

	Metrics *Metrics
	Log     *slog.Logger
	Now     clock.Now
}

// Limiter judges. It is safe for concurrent use.
type Limiter struct {
	redis redis.UniversalClient
	local *localCounts
	o     Options

	away atomic.Int64 // when Redis may be tried again, in microseconds of Unix time; zero: it answers
}

// New returns a limiter that counts in Redis. The client must obey the deadline of a context
// (ContextTimeoutEnabled). New does not dial.
func New(client redis.UniversalClient, o Options) *Limiter {
	o.Timeout = cmp.Or(o.Timeout, 50*time.Millisecond)
	o.CoolOff = cmp.Or(o.CoolOff, time.Second)
	o.Remembered = cmp.Or(o.Remembered, 1<<16)

	return &Limiter{redis: client, local: newLocal(o.Remembered), o: o}
}

// Allow judges one question of a subject, an opaque id, against all limits together, and uses up
// one of each if it is allowed. It always answers.
func (l *Limiter) Allow(ctx context.Context, subject string, limits ...Limit) Decision {
	_, d := l.AllowMany(ctx, subject, 1, limits...)

	return d
}

// AllowMany judges n questions that are asked at once as [Limiter.Allow] would one after the other, and returns how many
// it allowed: the first of them. The decision is that of the last.
func (l *Limiter) AllowMany(ctx context.Context, subject string, n int, limits ...Limit) (int, Decision) {
	keys := keysOf(subject, limits)
	by := byRedis

	allowed, leads, ok := l.askRedis(ctx, allowScript, keys, limits, n)
	if !ok {
		by = byProcess
		allowed, leads = l.local.allowLocally(l.o.Now(), keys, limits, n)
	}

	d := newDecision(limits, allowed == n, leads)
	l.o.Metrics.countCheck(by, d, n-allowed)

	return allowed, d
}

// Return gives back what one allowed question used up, for it turned out not to count.
func (l *Limiter) Return(ctx context.Context, subject string, limits ...Limit) {
	keys := keysOf(subject, limits)

	if _, _, ok := l.askRedis(ctx, returnScript, keys, limits, 1); !ok {
		l.local.giveBack(l.o.Now(), keys, limits)
	}
}

// askRedis has Redis run a script. It is not ok when Redis was not asked or did not answer: then this process judges.
func (l *Limiter) askRedis(ctx context.Context, script *redis.Script, keys []string, limits []Limit, n int) (allowed int, leads []time.Duration, ok bool) {
	if !l.mayTry() {
		return 0, nil, false
	}

	allowed, leads, err := l.runScript(ctx, script, keys, limits, n)
	if err != nil {
		if ctx.Err() == nil { // a caller who left is not Redis's failure
			l.markFailed(err)
		}

		return 0, nil, false
	}

	l.markAnswered()
	l.local.storeLeads(l.o.Now(), keys, leads)

	return allowed, leads, true
}

// mayTry reports whether to ask Redis. While it is away that is one question in each cool-off.
func (l *Limiter) mayTry() bool {
	until := l.away.Load()
	if until == 0 {
		return true
	}

	now := l.o.Now()

	return now.UnixMicro() >= until && l.away.CompareAndSwap(until, now.Add(l.o.CoolOff).UnixMicro())
}

func (l *Limiter) markAnswered() {
	if l.away.Swap(0) != 0 {
		l.o.Log.Info("rate limits were counted in redis again")
	}
}

func (l *Limiter) markFailed(err error) {
	if l.away.Swap(l.o.Now().Add(l.o.CoolOff).UnixMicro()) == 0 {
		l.o.Log.Warn("redis did not count rate limits, this process does", slog.Any("error", err))
	}
}

// allowScript is applyLimits, for Redis. Each key has two arguments: the time in which one of the quota comes
// back, and all of it; behind them is the number of questions. The clock is that of Redis, one for all processes; times are whole
// microseconds, which a Lua number holds exactly until the year 2255. What another clock has
// written counts for at most a window. It returns how many were allowed and the leads after the decision.
var allowScript = redis.NewScript(`
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local leads, allowed = {}, tonumber(ARGV[#ARGV])

for i, key in ipairs(KEYS) do
  local every, span = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local lead = (tonumber(redis.call("GET", key)) or now) - now
  leads[i] = math.min(math.max(lead, 0), span)
  allowed = math.min(allowed, math.floor((span - leads[i]) / every))
end

if allowed > 0 then
  for i, key in ipairs(KEYS) do
    leads[i] = leads[i] + allowed * tonumber(ARGV[2 * i - 1])
    redis.call("SET", key, string.format("%.0f", now + leads[i]), "PX", math.ceil(leads[i] / 1000))
  end
end

return {allowed, unpack(leads)}`)

// returnScript takes one use off each key, by the same clock.
var returnScript = redis.NewScript(`
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local leads = {}

for i, key in ipairs(KEYS) do
  local every, span = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local lead = (tonumber(redis.call("GET", key)) or now) - now
  leads[i] = math.max(math.min(lead, span) - every, 0)
  if leads[i] > 0 then
    redis.call("SET", key, string.format("%.0f", now + leads[i]), "PX", math.ceil(leads[i] / 1000))
  else
    redis.call("DEL", key)
  end
end

return {1, unpack(leads)}`)

func (l *Limiter) runScript(ctx context.Context, script *redis.Script, keys []string, limits []Limit, n int) (allowed int, leads []time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.Timeout)
	defer cancel()

	args := make([]any, 0, 2*len(limits)+1)
	for _, limit := range limits {
		args = append(args, limit.emissionInterval().Microseconds(), limit.refillTime().Microseconds())
	}

	reply, err := script.Run(ctx, l.redis, keys, append(args, n)...).Int64Slice()
	if err != nil {
		return 0, nil, fmt.Errorf("ask redis for rate limits: %w", err)
	}

	if len(reply) != len(limits)+1 {
		return 0, nil, fmt.Errorf("ask redis for rate limits: %d numbers for %d limits", len(reply), len(limits))
	}

	for _, lead := range reply[1:] {
		leads = append(leads, time.Duration(lead)*time.Microsecond)
	}

	return int(reply[0]), leads, nil
}

func keysOf(subject string, limits []Limit) []string {
	keys := make([]string, len(limits))
	for i, limit := range limits {
		keys[i] = countKey(subject, limit)
	}

	return keys
}

// countKey names a count. All of a subject are on one node of a Cluster, because one script has them.
func countKey(subject string, l Limit) string {
	k := "imagerun:rate:{" + subject + "}:" + l.Policy
	if l.Part != "" {
		k += ":" + l.Part
	}

	return k
}
