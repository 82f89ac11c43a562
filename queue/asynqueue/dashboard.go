package asynqueue

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
)

// Dashboard returns asynq's dashboard below prefix ("/queues"), for reading only. It has no
// login of its own: whoever mounts it must ask for one. It uses client, which stays the caller's.
func Dashboard(client redis.UniversalClient, prefix string) http.Handler {
	// Never closed: asynqmon would close our client.
	return asynqmon.New(asynqmon.Options{
		RootPath:     prefix,
		RedisConnOpt: shared{client},
		ReadOnly:     true,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(func(string, []byte) string {
			return "arguments are in Postgres"
		}),
	})
}

// shared has asynqmon use our client, with our timeouts, instead of one of its own.
type shared struct{ client redis.UniversalClient }

// MakeRedisClient implements asynq.RedisConnOpt.
func (s shared) MakeRedisClient() any { return s.client }

// logger passes on what asynq says. Its texts hold task names, queues and Redis's errors.
type logger struct{ log *slog.Logger }

func (l logger) Debug(args ...any) {
	l.log.Debug("asynq said", slog.String("text", fmt.Sprint(args...)))
}
func (l logger) Info(args ...any) {
	l.log.Debug("asynq said", slog.String("text", fmt.Sprint(args...)))
}
func (l logger) Warn(args ...any) {
	l.log.Debug("asynq said", slog.String("text", fmt.Sprint(args...)))
}
func (l logger) Error(args ...any) {
	l.log.Warn("asynq said", slog.String("text", fmt.Sprint(args...)))
}
func (l logger) Fatal(args ...any) {
	l.log.Error("asynq said", slog.String("text", fmt.Sprint(args...)))
}
