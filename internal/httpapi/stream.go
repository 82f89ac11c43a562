package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
)

const (
	heartbeatEvery = 15 * time.Second
	writeTime      = 10 * time.Second // a client that takes nothing for this long is dropped
	// A stream ends after this long and the client comes back, so that a session or key that was
	// revoked does not watch for ever.
	maxStream = 15 * time.Minute
)

// streamEvents is GET /v1/generations/{id}/events. The format is the HTML standard's
// (Server-sent events, §9.2); there, a client told 204 does not come back.
func (s *server) streamEvents(w http.ResponseWriter, r *http.Request) {
	userID, id, err := owned(r.Context(), prefixGeneration, r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)

		return
	}

	// Subscribed before the first look, so no change falls in between.
	hint, stop := s.Changes.Subscribe(id)
	defer stop()

	g, err := s.Generations.Get(r.Context(), userID, id)
	if err != nil {
		s.fail(w, r, err)

		return
	}

	seen, resumed := lastSeen(r.Header.Get("Last-Event-ID"), id)
	resumed = resumed && seen <= g.StatusSequence

	if resumed && seen == g.StatusSequence && g.Status.Terminal() {
		w.WriteHeader(http.StatusNoContent)

		return
	}

	release, ok := s.open.take(userID)
	if !ok {
		s.fail(w, r, errStreams)

		return
	}
	defer release()

	defer patient(w, writeTime)()

	s.Metrics.streams.Inc()
	defer s.Metrics.streams.Dec()

	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)

	if r.Method == http.MethodHead {
		return
	}

	st := &stream{server: s, w: w, rc: http.NewResponseController(w), userID: userID, id: id, seen: seen}
	if !st.send("retry: 3000\n\n") {
		return
	}

	if !resumed {
		st.seen = g.StatusSequence
		if !st.event("snapshot", g.StatusSequence, renderGeneration(g)) || g.Status.Terminal() {
			return
		}
	}

	st.follow(r.Context(), hint)
}

// stream is one open connection.
type stream struct {
	*server

	w          http.ResponseWriter
	rc         *http.ResponseController
	userID, id uuid.UUID
	seen       int64 // sequence of the last change that was sent
	failing    bool  // the last look did not succeed; said once in the log
}

// follow sends changes until the generation has ended, the client has gone, or it is time.
func (st *stream) follow(ctx context.Context, hint <-chan struct{}) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()

	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()

	end := time.NewTimer(maxStream)
	defer end.Stop()

	for st.changes(ctx) {
		select {
		case <-hint:
		case <-look.C:
		case <-heartbeat.C:
			if !st.send(": heartbeat\n\n") {
				return
			}
		case <-end.C:
			return
		case <-st.Closing:
			return
		case <-ctx.Done():
			return
		}
	}
}

// changes sends what has happened since the last look, and reports whether to go on.
func (st *stream) changes(ctx context.Context) bool {
	events, err := st.Generations.Events(ctx, st.userID, st.id, st.seen)
	if err != nil || len(events) == 0 {
		return st.goOn(ctx, err)
	}

	g, err := st.Generations.Get(ctx, st.userID, st.id)
	if err != nil {
		return st.goOn(ctx, err)
	}

	for _, e := range events {
		out := GenerationEvent{
			Object:       GenerationEventObjectGenerationEvent,
			GenerationID: formatID(prefixGeneration, st.id),
			Sequence:     e.Sequence,
			Status:       GenerationStatus(e.Status),
			ImageIndex:   e.ImageIndex,
			At:           e.At.UTC(),
		}

		// Only beside the change that it is the result of.
		if e.Sequence == g.StatusSequence {
			out.Generation = new(renderGeneration(g))
		}

		if !st.event("change", e.Sequence, out) {
			return false
		}

		st.seen = e.Sequence

		if e.Status.Terminal() {
			return false
		}
	}

	return st.goOn(ctx, nil)
}

// goOn ends the stream of what is no longer there. Anything else may pass, and closing would send
// a browser into an answer on which it gives up.
func (st *stream) goOn(ctx context.Context, err error) bool {
	if err == nil {
		st.failing = false

		return true
	}

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

func (st *stream) event(name string, sequence int64, data any) bool {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // our own types always marshal
	}

	return st.send(fmt.Sprintf("id: %s:%d\nevent: %s\ndata: %s\n\n", formatID(prefixGeneration, st.id), sequence, name, text))
}

// send writes one message whole, and reports whether the client took it in time.
func (st *stream) send(message string) bool {
	_ = st.rc.SetWriteDeadline(time.Now().Add(writeTime))

	if _, err := st.w.Write([]byte(message)); err != nil {
		return false
	}

	return st.rc.Flush() == nil
}

// lastSeen reads a Last-Event-ID of this generation.
func lastSeen(header string, id uuid.UUID) (int64, bool) {
	digits, ok := strings.CutPrefix(header, formatID(prefixGeneration, id)+":")
	if !ok {
		return 0, false
	}

	n, err := strconv.ParseInt(digits, 10, 64)

	return n, err == nil && n >= 0
}
