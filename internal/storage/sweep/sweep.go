package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/clock"
	"imagerun/internal/storage"
)

const (
	// DefaultGrace is how old an orphan must be to be deleted, unless told otherwise.
	DefaultGrace = 24 * time.Hour
	// multipartGrace is how long an upload in parts may take. We make none: other tools do.
	multipartGrace = 24 * time.Hour
	// pageSize is how many objects S3 lists at a time, at most.
	pageSize = 1000
	// maxPlausible is how many orphans or losses are believed whatever the number of objects.
	maxPlausible = 100
	// plausibleShare is how many are believed beyond that: one in ten.
	plausibleShare = 10
)

// ErrImplausible ends a sweep that finds far more wrong than right. Nothing of the page that
// went too far has been changed. An operator who knows better can force it.
var ErrImplausible = errors.New("too much is wrong to be believed: is this the right bucket and the right database?")

// Bucket is what a sweep needs of the store.
type Bucket interface {
	// Page lists at most limit objects whose keys come after one, in the order of their bytes.
	Page(ctx context.Context, after string, limit int) (objects []storage.Object, more bool, err error)
	// Head returns what is stored under key, or [storage.ErrNotFound].
	Head(ctx context.Context, key string) (storage.Object, error)
	// Delete removes the keys; see [storage.NotDeletedError].
	Delete(ctx context.Context, keys ...string) error
	// Multiparts yields the uploads in parts that have not been ended.
	Multiparts(ctx context.Context, yield func(storage.Multipart) bool) error
	// AbortMultipart aborts one.
	AbortMultipart(ctx context.Context, m storage.Multipart) error
}

// Source is a table whose rows own objects.
type Source interface {
	// Name names the table in reports.
	Name() string
	// Owns reports whether a key has the form of this table's keys. What no source owns is foreign.
	Owns(key string) bool
	// Page returns at most limit records whose keys come after one, in the order of their bytes.
	Page(ctx context.Context, after string, limit int) ([]storage.Record, error)
	// Find returns the records that name any of the keys.
	Find(ctx context.Context, keys []string) ([]storage.Record, error)
	// Mark writes down that the objects of the keys are lost, or are there again.
	Mark(ctx context.Context, keys []string, lost bool) error
}

// Options say how a sweep goes about it.
type Options struct {
	Grace  time.Duration // how old an orphan must be to be deleted; see DefaultGrace
	DryRun bool          // change nothing: only count
	Force  bool          // go on however much is found
	Page   int           // objects at a time; zero: 1,000
	// Each is called for whatever is found, before anything is done about it; nil: there is no listener.
	Each func(Finding)
}

// Sweeper compares a bucket with its sources. It is safe for concurrent use.
type Sweeper struct {
	bucket  Bucket
	sources []Source
	now     clock.Now
}

// New returns a sweeper. It dials nothing.
func New(bucket Bucket, now clock.Now, sources ...Source) *Sweeper {
	return &Sweeper{bucket: bucket, sources: sources, now: now}
}

// Run sweeps from the first key to the last and then the uploads in parts. After every page it
// calls progress, if there is one; an error of progress ends it.
func (s *Sweeper) Run(ctx context.Context, o Options, r *Report, progress func(Report) error) error {
	for after, more := "", true; more; {
		var err error
		if after, more, err = s.Step(ctx, o, after, r); err != nil {
			return err
		}

		if progress != nil {
			if err := progress(*r); err != nil {
				return err
			}
		}
	}

	return s.AbortIncompleteMultiparts(ctx, o, r)
}

// Step compares one page, the keys after a given one, adds what it found to r and returns how
// far it came. After an error r is as it was, and nothing is lost by doing the step again.
func (s *Sweeper) Step(ctx context.Context, o Options, after string, r *Report) (next string, more bool, err error) {
	p, err := s.readPage(ctx, after, o.Page)
	if err != nil {
		return after, false, err
	}

	sum := *r
	sum.Objects += int64(len(p.objects))
	sum.Records += int64(len(p.records))

	// The losses first: to mark one is harmless, should a deletion after it fail.
	if err := s.markMissing(ctx, o, p, &sum); err != nil {
		return after, false, err
	}

	if err := s.deleteOrphans(ctx, o, p, &sum); err != nil {
		return after, false, err
	}

	*r = sum

	return p.last, p.more, nil
}

// page is both sides of the keys after one, up to and with last.
type page struct {
	objects []storage.Object
	records map[string]ownedRecord
	last    string
	more    bool
}

// ownedRecord is a record and the source that owns it.
type ownedRecord struct {
	storage.Record

	source Source
}

// readPage gets a page. Each side has its own idea of how far a page goes; the shortest counts, and
// what another has beyond that is read again with the next page.
func (s *Sweeper) readPage(ctx context.Context, after string, size int) (page, error) {
	if size <= 0 {
		size = pageSize
	}

	p := page{records: map[string]ownedRecord{}}

	objects, more, err := s.bucket.Page(ctx, after, size)
	if err != nil {
		return p, err
	}

	if more {
		if len(objects) == 0 {
			return p, errors.New("list objects: the store says that there is more and does not show it")
		}

		p.cutAt(objects[len(objects)-1].Key)
	}

	var records []ownedRecord

	for _, source := range s.sources {
		some, err := source.Page(ctx, after, size)
		if err != nil {
			return p, fmt.Errorf("list records of %s: %w", source.Name(), err)
		}

		if len(some) >= size {
			p.cutAt(some[len(some)-1].Key)
		}

		for _, record := range some {
			records = append(records, ownedRecord{record, source})
		}
	}

	if p.more && p.last <= after {
		return p, errors.New("list objects: the page does not begin where the last one ended")
	}

	for _, object := range objects {
		if p.containsKey(object.Key) {
			p.objects = append(p.objects, object)
		}
	}

	for _, h := range records {
		if was, ok := p.records[h.Key]; p.containsKey(h.Key) && (!ok || was.Need < h.Need) {
			p.records[h.Key] = h
		}
	}

	return p, nil
}

// cutAt has the page end at key at the latest.
func (p *page) cutAt(key string) {
	if !p.more || key < p.last {
		p.last, p.more = key, true
	}
}

func (p *page) containsKey(key string) bool { return !p.more || key <= p.last }

// findRecords looks records up by their keys.
func (s *Sweeper) findRecords(ctx context.Context, keys []string) (map[string]ownedRecord, error) {
	all := make(map[string]ownedRecord, len(keys))

	for _, source := range s.sources {
		records, err := source.Find(ctx, keys)
		if err != nil {
			return nil, fmt.Errorf("find records of %s: %w", source.Name(), err)
		}

		for _, record := range records {
			if was, ok := all[record.Key]; !ok || was.Need < record.Need {
				all[record.Key] = ownedRecord{record, source}
			}
		}
	}

	return all, nil
}

func (s *Sweeper) findOwner(key string) Source {
	for _, source := range s.sources {
		if source.Owns(key) {
			return source
		}
	}

	return nil
}

// Finding is one thing that is not as it should be.
type Finding struct {
	What   What
	Key    string
	Source string    // the table, where there is a row
	ID     uuid.UUID // the row, where there is one
	Age    time.Duration
	Size   int64 // bytes
}

// What is a kind of finding.
type What string

// The kinds.
const (
	Orphan              What = "orphan"   // an object that nothing wants
	Young               What = "young"    // the same, but within the grace
	Foreign             What = "foreign"  // an object that is none of ours
	Lost                What = "lost"     // an object that a row wants and that is gone
	Back                What = "back"     // an object that was lost and is there again
	IncompleteMultipart What = "leftover" // an upload in parts that was never ended
)

func (o Options) reportFinding(f Finding) {
	if o.Each != nil {
		o.Each(f)
	}
}
