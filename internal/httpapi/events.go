package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/publicid"
)

// Events is what can be watched. As with [Generations], a user sees their own alone.
type Events interface {
	// Events returns a generation's changes with a sequence greater than after, in order.
	Events(ctx context.Context, userID, id uuid.UUID, after int64) ([]generation.Event, error)
	// UserTopic returns what to subscribe to for notifications of all of the user's generations.
	UserTopic(ctx context.Context, userID uuid.UUID) (uuid.UUID, error)
	// Overview returns what the user has under way, of generations with all of these labels.
	Overview(ctx context.Context, userID uuid.UUID, labels map[string]string) (generation.Overview, error)
	// Resumable reports whether Changes has everything after an event.
	Resumable(ctx context.Context, userID uuid.UUID, after int64) (bool, error)
	// Changes returns what happened to all of the user's generations after an event, in order;
	// when it returns something, there may be more. Those of generations without these labels say that they are others.
	Changes(ctx context.Context, userID uuid.UUID, after int64, labels map[string]string) ([]generation.Change, error)
	// Watch keeps the user's watch on these generations for a while; without any, on all of theirs.
	Watch(ctx context.Context, userID uuid.UUID, ids ...uuid.UUID) error
}

// streamGeneration is GET /v1/generations/{id}/events. In the HTML standard, a client told 204
// does not come back.
func (s *server) streamGeneration(w http.ResponseWriter, r *http.Request) {
	userID, id, err := parseOwnedID(r.Context(), publicid.PrefixGeneration, r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)

		return
	}

	// Subscribed before the first read, so no change falls in between.
	notified, stop := s.Notifications.Subscribe(id)
	defer stop()

	g, err := s.Generations.Get(r.Context(), userID, id)
	if err != nil {
		s.fail(w, r, err)

		return
	}

	seen, resumed := lastEvent(r, publicid.Format(publicid.PrefixGeneration, id)+":")
	f := &generationFeed{server: s, userID: userID, id: id, seen: seen}

	if !resumed || seen > g.StatusSequence {
		f.seen = g.StatusSequence
		f.snapshot = &message{f.eventID(f.seen), "snapshot", renderGeneration(g), g.Status.Terminal()}
	} else if seen == g.StatusSequence && g.Status.Terminal() {
		w.WriteHeader(http.StatusNoContent)

		return
	}

	s.streamFeed(w, r, userID, notified, f)
}

// generationFeed is what happens to one generation.
type generationFeed struct {
	*server

	userID, id uuid.UUID
	seen       int64    // sequence of the last change that was returned
	snapshot   *message // to be returned first
}

func (f *generationFeed) eventID(sequence int64) string {
	return fmt.Sprintf("%s:%d", publicid.Format(publicid.PrefixGeneration, f.id), sequence)
}

func (f *generationFeed) extendWatch(ctx context.Context) error {
	return f.Generations.Watch(ctx, f.userID, f.id)
}

func (f *generationFeed) next(ctx context.Context) ([]message, bool, error) {
	if first := f.snapshot; first != nil {
		f.snapshot = nil

		return []message{*first}, true, nil
	}

	events, err := f.Generations.Events(ctx, f.userID, f.id, f.seen)
	if err != nil || len(events) == 0 {
		return nil, false, err
	}

	g, err := f.Generations.Get(ctx, f.userID, f.id)
	if err != nil {
		return nil, false, err
	}

	messages := make([]message, len(events))

	for i, e := range events {
		// Only beside the change that it is the result of.
		var now *generation.Generation
		if e.Sequence == g.StatusSequence {
			now = &g
		}

		messages[i] = message{f.eventID(e.Sequence), "change", renderEvent(f.id, e, now), e.Status.Terminal()}
		f.seen = e.Sequence
	}

	return messages, false, nil
}

func renderEvent(id uuid.UUID, e generation.Event, now *generation.Generation) GenerationEvent {
	out := GenerationEvent{
		Object:       GenerationEventObjectGenerationEvent,
		GenerationID: publicid.Format(publicid.PrefixGeneration, id),
		Sequence:     e.Sequence,
		Status:       GenerationStatus(e.Status),
		Canceling:    e.Canceling,
		ImageIndex:   e.ImageIndex,
		At:           clampTime(e.At),
	}

	if now != nil {
		out.Generation = new(renderGeneration(*now))
	}

	return out
}

// lastEvent reads the number in a Last-Event-ID, which follows prefix.
func lastEvent(r *http.Request, prefix string) (int64, bool) {
	digits, ok := strings.CutPrefix(r.Header.Get("Last-Event-ID"), prefix)
	n, err := strconv.ParseInt(digits, 10, 64)

	return n, ok && err == nil && n >= 0
}
