package httpapi

import (
	"log"
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns a server for h that gives no caller for ever. Waits and streams lift the
// limits for themselves.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          log.New(redactingLog{logger}, "", 0),
	}
}

// redactingLog logs that net/http reported an error, without its text: that holds callers' addresses and panics' values.
type redactingLog struct{ logger *slog.Logger }

func (m redactingLog) Write(b []byte) (int, error) {
	m.logger.Warn("http server reported an error")

	return len(b), nil
}
