package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
)

const (
	heartbeatEvery = 15 * time.Second
	watchEvery     = 10 * time.Second // how often a stream extends the caller's watch
	writeTime      = 10 * time.Second // a client that takes nothing for this long is dropped
	// A stream ends after this long and the client comes back, perhaps to another process.
	maxStream = 15 * time.Minute
)

// message is one event of a stream, in the format of the HTML standard (Server-sent events, §9.2).
type message struct {
	id, name string // without a name it sets the id that a client comes back with, and nothing happens there
	data     any
	last     bool // the stream ends with it
}

// feed is what a stream shows. It is used by one goroutine, and remembers what it has returned.
type feed interface {
	// next returns what has happened since it was last asked, and whether there is more already.
	next(ctx context.Context) (messages []message, more bool, err error)
	// extendWatch keeps the caller's watch, so that progress is asked for.
	extendWatch(ctx context.Context) error
}

// streamFeed answers with server-sent events until f has ended, the client has gone, or it is time.
// notified tells when to ask f, which is asked every few seconds anyway.
func (s *server) streamFeed(w http.ResponseWriter, r *http.Request, userID uuid.UUID, notified <-chan struct{}, f feed) {
	release, ok := s.openSlots.acquireSlot(userID)
	if !ok {
		s.fail(w, r, errStreams)

		return
	}
	defer release()

	defer extendDeadlines(http.NewResponseController(w), writeTime)()

	s.Metrics.streams.Inc()
	defer s.Metrics.streams.Dec()

	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)

	if r.Method == http.MethodHead {
		return
	}

	ctx, cancel := exchangeOf(r.Context()).withoutDeadline(r.Context())
	defer cancel()

	st := &stream{server: s, feed: f, w: w, rc: http.NewResponseController(w)}
	if st.writeMessage("retry: 3000\n\n") {
		st.followFeed(ctx, notified)
	}
}

// stream is one open connection.
type stream struct {
	*server
	feed

	w       http.ResponseWriter
	rc      *http.ResponseController
	failing bool // the last read did not succeed; logged once
}

// always is ready; it is never written to.
var always = func() <-chan struct{} { //nolint:gochecknoglobals // a constant, as near as channels come to one
	c := make(chan struct{})
	close(c)

	return c
}()

func (st *stream) followFeed(ctx context.Context, notified <-chan struct{}) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()

	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()

	watch := time.NewTicker(watchEvery)
	defer watch.Stop()

	end := time.NewTimer(maxStream)
	defer end.Stop()

	st.tryExtendWatch(ctx)

	for {
		more, ok := st.sendChanges(ctx)
		if !ok {
			return
		}

		again := notified
		if more {
			again = always
		}

		select {
		// Something has happened, or there is more of it.
		case <-again:
		// Hints may be lost, and the caller may have lost their right meanwhile.
		case <-poll.C:
			if exchangeOf(ctx).stillAllowed(ctx) != nil {
				return
			}
		// Without it the provider is asked for no progress.
		case <-watch.C:
			st.tryExtendWatch(ctx)
		// Proxies close a connection on which nothing comes.
		case <-heartbeat.C:
			if !st.writeMessage(": heartbeat\n\n") {
				return
			}
		// The client comes back, perhaps to another process.
		case <-end.C:
			return
		case <-st.Closing:
			return
		// The client has gone.
		case <-ctx.Done():
			return
		}
	}
}

// sendChanges sends what has happened since it was last called, and reports whether to go on. What is no
// longer there ends the stream. Anything else may pass, and closing would send a browser into an
// answer on which it gives up.
func (st *stream) sendChanges(ctx context.Context) (more, ok bool) {
	asked, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()

	messages, more, err := st.next(asked)
	if err != nil {
		return false, st.surviveError(ctx, err)
	}

	st.failing = false

	for _, m := range messages {
		if !st.sendEvent(m) || m.last {
			return false, false
		}
	}

	return more, true
}

func (st *stream) surviveError(ctx context.Context, err error) bool {
	switch fault.Of(err).Kind {
	case fault.NotFound, fault.Gone:
		return false
	default:
	}

	if !st.failing && ctx.Err() == nil {
		st.Logger.WarnContext(ctx, "event stream could not be read",
			slog.String("request_id", exchangeOf(ctx).requestID), slog.Any("error", err))
	}

	st.failing = true

	return true
}

// tryExtendWatch may fail: that costs progress, never an event.
func (st *stream) tryExtendWatch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()

	if err := st.extendWatch(ctx); err != nil && ctx.Err() == nil {
		st.Logger.DebugContext(ctx, "watch was not extended", slog.Any("error", err))
	}
}

func (st *stream) sendEvent(m message) bool {
	if m.name == "" {
		return st.writeMessage(fmt.Sprintf("id: %s\n\n", m.id))
	}

	return st.writeMessage(fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", m.id, m.name, mustEncode(m.data)))
}

// writeMessage writes one message whole, and reports whether the client took it in time.
func (st *stream) writeMessage(message string) bool {
	_ = st.rc.SetWriteDeadline(time.Now().Add(writeTime))

	if _, err := st.w.Write([]byte(message)); err != nil {
		return false
	}

	return st.rc.Flush() == nil
}
