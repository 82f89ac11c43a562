package asynqueue

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/internal/logthrottle"
)

// LogTo has go-redis write to log, throttled, instead of to standard error at will. It is for the whole
// program, so a program's main calls it, once.
func LogTo(log *slog.Logger) { redis.SetLogger(newRedisLogger(log)) }

// redisLogger passes on what go-redis logs, each of its formats throttled by itself, so that one which comes at
// every turn hides no other. go-redis has a few dozen of them.
type redisLogger struct {
	log      *slog.Logger
	throttle logthrottle.Throttle
}

func newRedisLogger(log *slog.Logger) *redisLogger { return &redisLogger{log: log} }

// credentials are what a URL may have before its host.
var credentials = regexp.MustCompile(`://[^/\s"']*@`)

// Printf implements go-redis's interface for loggers.
func (l *redisLogger) Printf(ctx context.Context, format string, args ...any) {
	text := slog.String("text", credentials.ReplaceAllString(fmt.Sprintf(format, args...), "://[redacted]@"))

	suppressed, ok := l.throttle.Allow(format)
	if !ok {
		l.log.LogAttrs(ctx, slog.LevelDebug, "redis client said", text)

		return
	}

	l.log.LogAttrs(ctx, slog.LevelWarn, "redis client said", text, slog.Int("suppressed", suppressed))
}

// logger passes on what asynq logs, its errors throttled. Its texts hold task names, queues and
// Redis's errors.
type logger struct {
	log      *slog.Logger
	throttle logthrottle.Throttle
}

func newLogger(log *slog.Logger) *logger { return &logger{log: log} }

func (l *logger) Debug(args ...any) {
	l.log.Debug("asynq said", slog.String("text", fmt.Sprint(args...)))
}

func (l *logger) Info(args ...any) { l.Debug(args...) }

func (l *logger) Warn(args ...any) { l.Debug(args...) }

func (l *logger) Error(args ...any) {
	suppressed, ok := l.throttle.Allow("asynq said")
	if !ok {
		l.Debug(args...)

		return
	}

	l.log.Warn("asynq said", slog.String("text", fmt.Sprint(args...)), slog.Int("suppressed", suppressed))
}

func (l *logger) Fatal(args ...any) {
	l.log.Error("asynq said", slog.String("text", fmt.Sprint(args...)))
}
