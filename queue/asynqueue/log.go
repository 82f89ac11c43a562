package asynqueue

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/internal/seldom"
)

// LogTo has go-redis say what it says to log, seldom, instead of writing to standard error at
// will. It is for the whole program, so a program's main calls it, once.
func LogTo(log *slog.Logger) { redis.SetLogger(&redisLogger{log: log}) }

// redisLogger passes on what go-redis says: which of its texts, and errors. Anything else that the
// text would hold is left out.
type redisLogger struct {
	log    *slog.Logger
	seldom seldom.Gate
}

// Printf implements go-redis's interface for loggers.
func (l *redisLogger) Printf(ctx context.Context, format string, args ...any) {
	attrs := []slog.Attr{slog.String("text", format)}

	for _, a := range args {
		if err, ok := a.(error); ok {
			attrs = append(attrs, slog.Any("error", err))
		}
	}

	unsaid, ok := l.seldom.Allow()
	if !ok {
		l.log.LogAttrs(ctx, slog.LevelDebug, "redis client said", attrs...)

		return
	}

	l.log.LogAttrs(ctx, slog.LevelWarn, "redis client said", append(attrs, slog.Int("unsaid", unsaid))...)
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
