package durable

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"time"

	"imagerun/queue"
)

var (
	errNotCommitted = errors.New("handler called Complete but its transaction did not commit")

	errExited = errors.New("handler ended its goroutine instead of returning")

	codeWord = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// coder makes sure that whatever names errors cannot let their text through.
func coder(name func(error) string) func(error) string {
	return func(err error) string {
		if name != nil {
			if code := name(err); codeWord.MatchString(code) {
				return code
			}
		}

		return "error"
	}
}

// code names what the handler returned, for the row, the engine and the metrics.
func (r *Runner) code(o *outcome) string {
	if o.canceled {
		return codeCanceled
	}

	if _, ok := errors.AsType[*panicked](o.err); ok {
		return "panic"
	}

	switch {
	case errors.Is(o.err, queue.ErrUndecodable):
		return "undecodable"
	case errors.Is(o.err, errExited):
		return "exited"
	case errors.Is(o.err, errNotCommitted):
		return "not_committed"
	case errors.Is(o.cause, queue.ErrTimeout):
		return "timeout"
	default:
		return r.codeOf(o.err)
	}
}

// report writes the one line that a run leaves in the log.
func (r *Runner) report(ctx context.Context, o *outcome, event string) {
	attrs := []slog.Attr{
		slog.String("job_id", o.run.task.ID.String()),
		slog.String("kind", o.run.task.Kind),
		slog.Int("attempt", o.attempt),
		slog.String("outcome", event),
		slog.Int64("duration_ms", time.Since(o.started).Milliseconds()),
	}

	level := slog.LevelInfo

	switch event {
	case eventDone, eventSnoozed, eventHandedBack:
	default:
		level = slog.LevelWarn

		if o.err != nil || o.canceled {
			attrs = append(attrs, slog.String("code", r.code(o)), slog.Any("error", o.err))
		}
	}

	if p, ok := errors.AsType[*panicked](o.err); ok {
		level = slog.LevelError

		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}

	if o.deaf {
		attrs = append(attrs, slog.Bool("handler_still_runs", true))
	}

	r.log.LogAttrs(ctx, level, "job ended", attrs...)
}
