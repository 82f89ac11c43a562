package app

import (
	"io"
	"log/slog"

	"imagerun/internal/config"
	"imagerun/internal/telemetry"
	"imagerun/queue/asynqueue"
)

// NewLog returns the log of a program, and has go-redis write to it, which would else write lines of its own to standard error.
// That is for the whole program, so its main calls this, once.
func NewLog(w io.Writer, program string, c config.Log) (*slog.Logger, error) {
	log, _, err := telemetry.NewLogger(w, telemetry.LogOptions{
		Level: c.Level, Format: c.Format, Process: program, Version: telemetry.Version(),
	})
	if err != nil {
		return nil, err
	}

	asynqueue.LogTo(log)

	return log, nil
}
