package durable

import (
	"errors"
	"log/slog"
	"regexp"
	"time"

	"imagerun/queue"
)

const (
	// codePoison is of a job that took down the workers that touched it.
	codePoison = "poison"
)

var (
	errNotCommitted = errors.New("handler called Complete but its transaction did not commit")

	errExited = errors.New("handler ended its goroutine instead of returning")

	codePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// sanitizeCodes makes sure that whatever names errors cannot let their text through.
func sanitizeCodes(name func(error) string) func(error) string {
	return func(err error) string {
		if name != nil {
			if code := name(err); codePattern.MatchString(code) {
				return code
			}
		}

		return "error"
	}
}

// errorCode names what the handler returned, for the row, the engine and the metrics.
func (r *Runner) errorCode(u *run) string {
	switch {
	case u.canceled:
		return codeCanceled
	case u.poisoned:
		return codePoison
	}

	if _, ok := errors.AsType[*panicked](u.err); ok {
		return "panic"
	}

	switch {
	case errors.Is(u.err, queue.ErrUndecodable):
		return "undecodable"
	case errors.Is(u.err, errExited):
		return "exited"
	case errors.Is(u.err, errNotCommitted):
		return "not_committed"
	case errors.Is(u.cause, queue.ErrTimeout):
		return "timeout"
	default:
		return r.codeOf(u.err)
	}
}

// logOutcome writes the one line that a run leaves in the log.
func (r *Runner) logOutcome(u *run, event string) {
	if !r.log.Enabled(u.base, slog.LevelError) {
		return
	}

	attrs := []slog.Attr{
		slog.String("job_id", u.task.ID.String()),
		slog.String("kind", u.task.Kind),
		slog.Int("attempt", u.attempt),
		slog.String("outcome", event),
		slog.Int64("duration_ms", time.Since(u.started).Milliseconds()),
	}

	level := slog.LevelInfo

	switch event {
	case eventDone, eventSnoozed, eventHandedBack:
	default:
		level = slog.LevelWarn

		if u.err != nil || u.canceled || u.poisoned {
			attrs = append(attrs, slog.String("code", r.errorCode(u)), slog.Any("error", u.err))
		}
	}

	attrs = append(attrs, u.notes.Attrs()...)

	if p, ok := errors.AsType[*panicked](u.err); ok {
		level = slog.LevelError

		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}

	if u.stuck {
		attrs = append(attrs, slog.Bool("handler_still_runs", true))
	}

	r.log.LogAttrs(u.base, level, "job ended", attrs...)
}
