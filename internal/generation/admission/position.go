package admission

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/cache"
	"imagerun/internal/generation"
	"imagerun/internal/generation/admission/estimate"
	"imagerun/internal/generation/admission/fairqueue"
	"imagerun/internal/generation/db"
)

// positionFresh is the age up to which what a process has read of a line is good enough to say places
// by. What a place depends on of its own user is read each time.
const positionFresh = time.Second

// waiters is everybody who waits for a provider.
type waiters struct {
	fairqueue.Waiters

	shut     []string            // the models that were shut: who waits for no other is not in it
	entering map[uuid.UUID]int64 // the passes of those who wait for the first time
}

// newReadings returns what reads the line of each provider. Reading counts every waiting generation;
// it is done once a second at most, and only where a caller asks for a place.
func (s *Admission) newReadings() map[string]*cache.Value[waiters] {
	lines := map[string]*cache.Value[waiters]{}

	for _, provider := range s.Catalogue.Providers() {
		lines[provider] = &cache.Value[waiters]{
			Load:  func(ctx context.Context) (waiters, error) { return s.readWaiters(ctx, provider) },
			Now:   s.Now,
			Fresh: positionFresh, Stale: 2 * positionFresh,
		}
	}

	return lines
}

func (s *Admission) readWaiters(ctx context.Context, provider string) (l waiters, err error) {
	if l.GlobalPass, err = s.readClock(ctx, s.Pool, provider); err != nil {
		return l, err
	}

	if l.shut, err = s.Models.Shut(ctx, s.Pool); err != nil {
		return l, err
	}

	rows, err := s.db.AdmissionLine(ctx, s.Pool, db.AdmissionLineParams{Provider: provider, Shut: l.shut})
	if err != nil {
		return l, fmt.Errorf("read the line: %w", err)
	}

	l.Users, l.entering = make([]fairqueue.User, len(rows)), make(map[uuid.UUID]int64)

	for i, r := range rows {
		pass := l.enterUser(r.UserID, r.Pass)
		l.Users[i] = fairqueue.User{ID: r.UserID, Pass: pass, Weight: s.Plans.Of(r.Plan).Weight, Waiting: int(r.N)}
	}

	return l, nil
}

// enterUser returns the pass of a user. Who has none yet is given the one that the next round of
// admission will give them.
func (l *waiters) enterUser(id uuid.UUID, pass *int64) int64 {
	if pass != nil {
		return *pass
	}

	l.entering[id] = l.Enter()

	return l.entering[id]
}

// passOf is where a user stands, of whom this was read just now.
func (l *waiters) passOf(id uuid.UUID, pass *int64) int64 {
	if pass != nil {
		return *pass
	}

	if given, ok := l.entering[id]; ok {
		return given
	}

	return l.Entry // behind those who came before the line was read
}

// fillPositions fills in where generations of one user wait. Those that only failing models may serve have
// no place: it is not known when their turn is.
func (s *Admission) fillPositions(ctx context.Context, provider string, user uuid.UUID, ids []uuid.UUID, at map[uuid.UUID]*generation.Generation, typical estimate.Typical) error {
	reading, ok := s.waiting[provider]
	if !ok { // the catalogue has lost it while they waited
		return nil
	}

	l, err := reading.Get(ctx)
	if err != nil {
		return err
	}

	held, err := s.db.AdmissionHeld(ctx, s.Pool, db.AdmissionHeldParams{Provider: provider, UserID: user})
	if err != nil {
		return fmt.Errorf("count slots: %w", err)
	}

	rows, err := s.db.AdmissionOwn(ctx, s.Pool, db.AdmissionOwnParams{Provider: provider, UserID: user, Shut: l.shut, Ids: ids})
	if err != nil {
		return fmt.Errorf("read places: %w", err)
	}

	for _, r := range rows { // who was admitted in the meantime has none
		s.estimatePosition(at[r.ID], l, UserShare{AdmissionHeldRow: held}, int(r.Own), typical)
	}

	return nil
}

// UserShare is what a place depends on of its own user.
type UserShare struct {
	db.AdmissionHeldRow

	Ref     string // the user's
	Waiting int    // of the user's generations, how many wait
	Normal  int    // of those, how many not in the background
}

// Before is how many of the user's wait before one that comes now.
func (t UserShare) Before(background bool) int {
	if background {
		return t.Waiting
	}

	return t.Normal
}

// Accepted is how the user stands when one more waits.
func (t UserShare) Accepted(background bool) UserShare {
	t.Waiting++

	if !background {
		t.Normal++
	}

	return t
}

// NewPosition is a generation that was accepted a moment ago, and how its user stood then.
type NewPosition struct {
	*generation.Generation

	Share UserShare
}

// PositionsOfNew fills in where generations of one user wait that were accepted a moment ago, in this order.
func (s *Admission) PositionsOfNew(ctx context.Context, provider string, accepted ...NewPosition) error {
	typical, err := s.took.Typical(ctx)
	if err != nil {
		return err
	}

	l, err := s.waiting[provider].Get(ctx)

	switch {
	case err != nil:
		return err
	case len(l.shut) > 0 || isOvertaken(accepted): // not all that wait are in the line, or not behind those before them
		ids, at := make([]uuid.UUID, len(accepted)), make(map[uuid.UUID]*generation.Generation, len(accepted))
		for i, a := range accepted {
			ids[i], at[a.ID] = a.ID, a.Generation
		}

		return s.fillPositions(ctx, provider, accepted[0].UserID, ids, at, typical)
	}

	for _, a := range accepted {
		s.estimatePosition(a.Generation, l, a.Share, a.Share.Before(a.Background), typical)
	}

	return nil
}

// isOvertaken reports whether one of them came after one in the background, and stands before it.
func isOvertaken(accepted []NewPosition) bool {
	i := slices.IndexFunc(accepted, func(a NewPosition) bool { return a.Background })

	return i >= 0 && slices.ContainsFunc(accepted[i:], func(a NewPosition) bool { return !a.Background })
}

// estimatePosition fills in the place of a generation before which so many of its user wait, and when it should begin and end.
func (s *Admission) estimatePosition(g *generation.Generation, l waiters, turn UserShare, own int, typical estimate.Typical) {
	plan := s.Plans.Of(turn.Plan)
	me := fairqueue.User{ID: g.UserID, Pass: l.passOf(g.UserID, turn.Pass), Weight: plan.Weight}
	ahead := own + l.Ahead(me, own)
	g.QueuePosition = &ahead

	if took, known := typical.Of(KindOf(g.Model, g.Parameters)); known {
		waits := estimate.Line{
			Ahead: ahead, Busy: int(turn.Provider), Slots: s.Options.Slots,
			OwnAhead: own, OwnBusy: int(turn.Own), OwnSlots: plan.Slots,
		}
		start := waits.Start(s.Now(), took)
		g.EstimatedStartAt, g.EstimatedFinishAt = &start, new(start.Add(took))
	}
}
