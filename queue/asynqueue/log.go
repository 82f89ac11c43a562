package asynqueue

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/internal/seldom"
)

// LogTo has go-redis say what it says to log, seldom, instead of writing to standard error at
// will. It is for the whole program, so a program's main calls it, once.
func LogTo(log *slog.Logger) { redis.SetLogger(newRedisLogger(log)) }

// redisLogger passes on what go-redis says, each of its texts seldom, so that one which comes at every turn hides no other.
type redisLogger struct {
	log *slog.Logger

	mu     sync.Mutex
	seldom map[string]*seldom.Gate // by format, of which go-redis has a few dozen
}

func newRedisLogger(log *slog.Logger) *redisLogger {
	return &redisLogger{log: log, seldom: map[string]*seldom.Gate{}}
}

// credentials are what a URL may have before its host.
var credentials = regexp.MustCompile(`://[^/\s"']*@`)

// Printf implements go-redis's interface for loggers.
func (l *redisLogger) Printf(ctx context.Context, format string, args ...any) {
	text := slog.String("text", credentials.ReplaceAllString(fmt.Sprintf(format, args...), "://[redacted]@"))

	unsaid, ok := l.gate(format).Allow()
	if !ok {
		l.log.LogAttrs(ctx, slog.LevelDebug, "redis client said", text)

		return
	}

	l.log.LogAttrs(ctx, slog.LevelWarn, "redis client said", text, slog.Int("unsaid", unsaid))
}

func (l *redisLogger) gate(format string) *seldom.Gate {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.seldom[format] == nil {
		l.seldom[format] = &seldom.Gate{}
	}

	return l.seldom[format]
}

// logger passes on what asynq says, its errors seldom. Its texts hold task names, queues and
// Redis's errors.
type logger struct {
	log    *slog.Logger
	seldom seldom.Gate
}

func newLogger(log *slog.Logger) *logger { return &logger{log: log} }

func (l *logger) Debug(args ...any) {
	l.log.Debug("asynq said", slog.String("text", fmt.Sprint(args...)))
}

func (l *logger) Info(args ...any) { l.Debug(args...) }

func (l *logger) Warn(args ...any) { l.Debug(args...) }

func (l *logger) Error(args ...any) {
	unsaid, ok := l.seldom.Allow()
	if !ok {
		l.Debug(args...)

		return
	}

	l.log.Warn("asynq said", slog.String("text", fmt.Sprint(args...)), slog.Int("unsaid", unsaid))
}

func (l *logger) Fatal(args ...any) {
	l.log.Error("asynq said", slog.String("text", fmt.Sprint(args...)))
}
