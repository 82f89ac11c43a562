package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/generation"
	"imagerun/internal/publicid"
)

// streamEvents is GET /v1/events.
func (s *server) streamEvents(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()

	p, err := auth.From(ctx)
	if err != nil {
		s.fail(w, r, err)

		return
	}

	topic, err := s.Generations.UserTopic(ctx, p.UserID)
	if err != nil {
		s.fail(w, r, err)

		return
	}

	notified, stop := s.Notifications.Subscribe(topic)
	defer stop()

	seen, resumed := lastEvent(r, "")
	if resumed {
		resumed, err = s.Generations.Resumable(ctx, p.UserID, seen)
	}

	f := &userFeed{server: s, userID: p.UserID, labels: labelsOf(r), seen: seen}

	if err == nil && !resumed {
		err = f.loadSnapshot(ctx)
	}

	if err != nil {
		s.fail(w, r, err)

		return
	}

	s.streamFeed(w, r, p.UserID, notified, f)
}

// userFeed is what happens to all generations of a user, or to those with some labels.
type userFeed struct {
	*server

	userID   uuid.UUID
	labels   map[string]string // none: all
	seen     int64             // number of the last event that was returned
	snapshot *message          // to be returned first
}

// loadSnapshot makes a snapshot that the changes follow on.
func (f *userFeed) loadSnapshot(ctx context.Context) error {
	o, err := f.Generations.Overview(ctx, f.userID, f.labels)
	if err != nil {
		return err
	}

	out := EventSnapshot{Object: EventSnapshotObjectEventSnapshot, HasMore: o.HasMore, Generations: make([]Generation, len(o.Generations))}
	for i, g := range o.Generations {
		out.Generations[i] = renderGeneration(g)
	}

	f.seen = o.Number
	f.snapshot = &message{strconv.FormatInt(o.Number, 10), "snapshot", out, false}

	return nil
}

func (f *userFeed) extendWatch(ctx context.Context) error { return f.Generations.Watch(ctx, f.userID) }

func (f *userFeed) next(ctx context.Context) ([]message, bool, error) {
	if first := f.snapshot; first != nil {
		f.snapshot = nil

		return []message{*first}, true, nil
	}

	changes, err := f.Generations.Changes(ctx, f.userID, f.seen, f.labels)
	if err != nil || len(changes) == 0 {
		return nil, false, err
	}

	messages := make([]message, 0, len(changes))

	for i, c := range changes {
		f.seen = c.Number

		if !c.Other || i == len(changes)-1 {
			messages = append(messages, messageOf(c))
		}
	}

	return messages, true, nil
}

// messageOf is what is sent of a change. Of one of others that is its number alone, so that a client that comes back goes on from there.
func messageOf(c generation.Change) message {
	m := message{id: strconv.FormatInt(c.Number, 10)}

	switch {
	case c.Other:
	case c.Deleted:
		m.name, m.data = "deleted", GenerationDeletion{
			Object: GenerationDeletionObjectGenerationDeletion, GenerationID: publicid.Format(publicid.PrefixGeneration, c.GenerationID), At: clampTime(c.At),
		}
	default:
		m.name, m.data = "change", renderEvent(c.GenerationID, c.Event, c.Generation)
	}

	return m
}

// labelsOf reads the labels in a query that the contract has checked.
func labelsOf(r *http.Request) map[string]string {
	labels := map[string]string{}

	for name, values := range r.URL.Query() {
		if base, label, ok := cutMember(name); ok && base == "metadata" {
			labels[label] = values[0]
		}
	}

	return labels
}
