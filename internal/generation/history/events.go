package history

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

const (
	maxLive    = 100 // generations of an overview
	maxChanges = 200 // changes in one look
	// maxBehind is how many events one may have missed. Who missed more had better begin anew.
	maxBehind = 2000
)

// Events returns the changes of the user's generation after a sequence, oldest first. Errors as
// of [History.Get].
func (s *History) Events(ctx context.Context, userID, id uuid.UUID, after int64) ([]generation.Event, error) {
	if _, err := s.Tasks.FindOwned(ctx, userID, id); err != nil {
		return nil, err
	}

	rows, err := s.db.EventList(ctx, s.Pool, db.EventListParams{TaskID: id, After: after})
	if err != nil {
		return nil, fmt.Errorf("list events of %s: %w", id, err)
	}

	events := make([]generation.Event, len(rows))
	for i, r := range rows {
		events[i] = eventOf(r.Sequence, r.Status, r.Canceling, r.ImageIndex, r.At)
	}

	return events, nil
}

func eventOf(sequence int64, status string, canceling bool, image *int16, at time.Time) generation.Event {
	e := generation.Event{Sequence: sequence, Status: generation.Status(status), Canceling: canceling, At: at}
	if image != nil {
		e.ImageIndex = new(int(*image))
	}

	return e
}

// UserTopic returns the random name under which notifications of all of a user's generations go out.
func (s *History) UserTopic(ctx context.Context, userID uuid.UUID) (uuid.UUID, error) {
	ref, err := s.Users.Ref(ctx, userID)
	if err != nil {
		return uuid.Nil, err
	}

	id, err := uuid.Parse(ref)

	return id, fault.Wrap(err, "read name of user "+userID.String())
}

// Overview returns what the user has under way, of generations that have all of these labels. Changes after its number are all
// that is missing from it.
func (s *History) Overview(ctx context.Context, userID uuid.UUID, labels map[string]string) (generation.Overview, error) {
	text, err := encodeLabels(labels)
	if err != nil {
		return generation.Overview{}, err
	}

	// First, so that what is accepted between the two looks is a change that follows.
	state, err := s.db.UserEventState(ctx, s.Pool, userID)
	if err != nil && !postgres.IsNotFound(err) {
		return generation.Overview{}, fmt.Errorf("read last event of user %s: %w", userID, err)
	}

	rows, err := s.db.TaskLive(ctx, s.Pool, db.TaskLiveParams{UserID: userID, Labels: text, Most: maxLive + 1})
	if err != nil {
		return generation.Overview{}, fmt.Errorf("list what user %s has under way: %w", userID, err)
	}

	o := generation.Overview{Number: state.EventSequence, HasMore: len(rows) > maxLive}
	tasks := make([]db.AiTask, min(len(rows), maxLive))

	for i := range tasks {
		o.Number, tasks[i] = rows[i].EventSequence, rows[i].AiTask
	}

	o.Generations, err = s.assembleAll(ctx, tasks)

	return o, err
}

// Resumable reports whether [History.Changes] has everything after an event, and not too much.
func (s *History) Resumable(ctx context.Context, userID uuid.UUID, after int64) (bool, error) {
	state, err := s.db.UserEventState(ctx, s.Pool, userID)
	if postgres.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("read last event of user %s: %w", userID, err)
	}

	return after >= state.EventFloor && after <= state.EventSequence && state.EventSequence-after <= maxBehind, nil
}

// Changes returns what happened to all of the user's generations after an event, oldest first.
// There may be more than it returns. What was deleted is one change, whatever it was before. With labels, changes of generations that
// have not all of them are there as [Change.Other]; what was deleted has no labels any more, and is never other.
func (s *History) Changes(ctx context.Context, userID uuid.UUID, after int64, labels map[string]string) ([]generation.Change, error) {
	rows, err := s.db.UserEventList(ctx, s.Pool, db.UserEventListParams{UserID: userID, After: after, Most: maxChanges})
	if err != nil {
		return nil, fmt.Errorf("list events of user %s: %w", userID, err)
	}

	changes := make([]generation.Change, len(rows))
	newest := make(map[uuid.UUID]int) // index of each generation's last change

	for i, r := range rows {
		changes[i] = generation.Change{
			Number: r.UserSequence, GenerationID: r.TaskID, Deleted: r.Deleted, Event: eventOf(r.Sequence, r.Status, r.Canceling, r.ImageIndex, r.At),
		}
		newest[r.TaskID] = i
	}

	if len(rows) == 0 {
		return changes, nil
	}

	tasks, err := s.db.TaskMany(ctx, s.Pool, db.TaskManyParams{UserID: userID, Ids: slices.Collect(maps.Keys(newest))})
	if err != nil {
		return nil, fmt.Errorf("read generations of user %s: %w", userID, err)
	}

	if len(labels) > 0 {
		tasks = slices.DeleteFunc(tasks, func(t db.AiTask) bool { return !hasLabels(t, labels) })
		markOthers(changes, tasks)
	}

	generations, err := s.assembleAll(ctx, tasks)
	if err != nil {
		return nil, err
	}

	for _, g := range generations {
		c := &changes[newest[g.ID]]
		if c.Sequence == g.StatusSequence { // else it has changed since: the next look has it
			c.Generation = &g
		}
	}

	return changes, nil
}

// markOthers leaves nothing but its number of each change that is of none of these tasks.
func markOthers(changes []generation.Change, tasks []db.AiTask) {
	asked := make(map[uuid.UUID]bool, len(tasks))
	for _, t := range tasks {
		asked[t.ID] = true
	}

	for i, c := range changes {
		if !c.Deleted && !asked[c.GenerationID] {
			changes[i] = generation.Change{Number: c.Number, Other: true}
		}
	}
}

// hasLabels reports whether a task has all of these labels. Labels never change.
func hasLabels(t db.AiTask, labels map[string]string) bool {
	var own map[string]any
	if err := json.Unmarshal(t.Metadata, &own); err != nil {
		return false
	}

	for name, value := range labels {
		if own[name] != value {
			return false
		}
	}

	return true
}

// encodeLabels writes labels as Postgres compares them; none are those that everything has.
func encodeLabels(labels map[string]string) (json.RawMessage, error) {
	if len(labels) == 0 {
		return json.RawMessage(`{}`), nil
	}

	text, err := json.Marshal(labels)

	return text, fault.Wrap(err, "encode labels")
}
