package sweep

import (
	"context"
	"errors"
	"fmt"

	"imagerun/internal/storage"
)

// deleteOrphans deletes the objects of a page that nothing wants.
func (s *Sweeper) deleteOrphans(ctx context.Context, o Options, p page, r *Report) error {
	var (
		suspects []storage.Object
		keys     []string
	)

	for _, object := range p.objects {
		if h, ok := p.records[object.Key]; !ok || h.Need == storage.Unwanted {
			suspects = append(suspects, object)
			keys = append(keys, object.Key)
		}
	}

	if len(suspects) == 0 {
		return nil
	}

	// The listing is older than the rows by now: whatever has been put since has a row.
	known, err := s.findRecords(ctx, keys)
	if err != nil {
		return err
	}

	keys = keys[:0]

	var bytes int64

	sizes := make(map[string]int64, len(suspects))

	for _, object := range suspects {
		h, ok := known[object.Key]
		if ok && h.Need != storage.Unwanted {
			continue
		}

		f := Finding{What: Orphan, Key: object.Key, Age: s.now().Sub(object.ModifiedAt), Size: object.Size}

		switch {
		case ok:
			f.Source, f.ID = h.source.Name(), h.ID
		case s.findOwner(object.Key) == nil:
			f.What = Foreign
		}

		if f.What == Orphan && f.Age < o.Grace {
			f.What = Young
		}

		r.countFinding(f.What)
		o.reportFinding(f)

		if f.What == Orphan {
			keys, sizes[object.Key], bytes = append(keys, object.Key), object.Size, bytes+object.Size
		}
	}

	r.OrphanBytes += bytes

	if o.DryRun || len(keys) == 0 {
		return nil
	}

	if !o.Force && r.Orphans > maxPlausible+r.Objects/plausibleShare {
		return fmt.Errorf("%w (orphans: %d of %d objects)", ErrImplausible, r.Orphans, r.Objects)
	}

	err = s.bucket.Delete(ctx, keys...)

	left, ok := errors.AsType[*storage.NotDeletedError](err)

	switch {
	// All are gone.
	case err == nil:
	// It is not known how many are.
	case !ok || ctx.Err() != nil:
		return fmt.Errorf("delete orphans: %w", err)
	// Not one: the store is away or refuses us. The next ones would fare no better.
	case len(left.Keys) == len(keys):
		return fmt.Errorf("delete orphans: %w", err)
	// Some are left: the next sweep has them.
	default:
		r.NotDeleted += int64(len(left.Keys))
	}

	r.Deleted += int64(len(keys))
	r.DeletedBytes += bytes

	if ok {
		r.Deleted -= int64(len(left.Keys))

		for _, key := range left.Keys {
			r.DeletedBytes -= sizes[key]
		}
	}

	return nil
}

// markMissing marks the rows of a page whose objects are gone, and those whose objects are back.
func (s *Sweeper) markMissing(ctx context.Context, o Options, p page, r *Report) error {
	there := make(map[string]bool, len(p.objects))

	var back, gone []string

	for _, object := range p.objects {
		there[object.Key] = true

		if h, ok := p.records[object.Key]; ok && h.Need == storage.Required && h.Lost {
			back = append(back, object.Key)
		}
	}

	for key, h := range p.records {
		if h.Need != storage.Required || there[key] {
			continue
		}

		_, err := s.bucket.Head(ctx, key)

		switch {
		// The store says so when it is asked: the object is lost.
		case errors.Is(err, storage.ErrNotFound):
			gone = append(gone, key)
		// It does not say.
		case err != nil:
			return err
		// The object is there after all, and its row says lost: it is back.
		case h.Lost:
			back = append(back, key)
		}

		if !o.Force && !o.DryRun && int64(len(gone))+r.Lost > maxPlausible+r.Records/plausibleShare {
			return fmt.Errorf("%w (lost: %d of %d records)", ErrImplausible, int64(len(gone))+r.Lost, r.Records)
		}
	}

	if len(gone) > 0 {
		// A worker that deletes an object says so in its row first.
		known, err := s.findRecords(ctx, gone)
		if err != nil {
			return err
		}

		if err := s.markRecords(ctx, o, gone, known, true, r); err != nil {
			return err
		}
	}

	if len(back) == 0 {
		return nil
	}

	return s.markRecords(ctx, o, back, p.records, false, r)
}

// markRecords reports the keys whose rows still require an object, and has their sources mark those
// that are not marked yet.
func (s *Sweeper) markRecords(ctx context.Context, o Options, keys []string, known map[string]ownedRecord, lost bool, r *Report) error {
	what := Back
	if lost {
		what = Lost
	}

	marks := map[Source][]string{}

	for _, key := range keys {
		h, ok := known[key]
		if !ok || h.Need != storage.Required {
			continue
		}

		r.countFinding(what)
		o.reportFinding(Finding{What: what, Key: key, Source: h.source.Name(), ID: h.ID})

		if h.Lost != lost {
			marks[h.source] = append(marks[h.source], key)
		}
	}

	if o.DryRun {
		return nil
	}

	for source, keys := range marks {
		if err := source.Mark(ctx, keys, lost); err != nil {
			return fmt.Errorf("mark records of %s: %w", source.Name(), err)
		}
	}

	return nil
}

// AbortIncompleteMultiparts aborts the uploads in parts that were not ended within a day. One that cannot be
// aborted keeps none of the others.
func (s *Sweeper) AbortIncompleteMultiparts(ctx context.Context, o Options, r *Report) error {
	var (
		old   []storage.Multipart
		first error
	)

	err := s.bucket.Multiparts(ctx, func(m storage.Multipart) bool {
		if age := s.now().Sub(m.BegunAt); age >= multipartGrace {
			old = append(old, m)
			r.countFinding(IncompleteMultipart)
			o.reportFinding(Finding{What: IncompleteMultipart, Key: m.Key, Age: age})
		}

		return len(old) < pageSize // the rest: tomorrow
	})
	if err != nil || o.DryRun {
		return err
	}

	for _, m := range old {
		if err := s.bucket.AbortMultipart(ctx, m); err == nil {
			r.Aborted++
		} else if first == nil {
			first = err
		}
	}

	return first
}
