// Package storage says what a bucket is and how its keys look. internal/storage/r2 is one.
//
// The bucket is private. Every object has a row that was committed before the object was put,
// so an object without a row is an orphan and may be deleted. Keys are random per user:
// u/<user ref>/<generation>/<image>.<ext> and u/<user ref>/uploads/<random>.<ext>, .raw before it
// was inspected; nothing in them names a person.
package storage

import (
	"context"
	"io"
	"time"

	"imagerun/internal/fault"
)

// The faults of a bucket.
var (
	// ErrNotFound answers for a key that holds no object.
	ErrNotFound = fault.New(fault.NotFound, "object_not_found", "There is no such object.")
	// ErrUnavailable is matched by errors of a store that does not answer, or cannot serve any caller.
	ErrUnavailable = fault.New(fault.Unavailable, "storage_unavailable", "Our store of pictures does not answer in time. Try again in a few seconds.")
)

// NotDeletedError is what a Delete returns that left objects behind. Its text names no key.
type NotDeletedError struct {
	Keys  []string // those that are still there, as far as is known; deleting them again is harmless
	Cause error    // what the store said of the first
}

// Error says what the store said.
func (e *NotDeletedError) Error() string { return e.Cause.Error() }

// Unwrap returns what the store said.
func (e *NotDeletedError) Unwrap() error { return e.Cause }

// Multipart is an upload in parts that was begun and neither completed nor called off. What was
// sent of it takes room and is in no listing of objects.
type Multipart struct {
	Key      string
	UploadID string
	BegunAt  time.Time
}

// Object is what the bucket knows of one object.
type Object struct {
	Key         string
	Size        int64 // bytes
	ContentType string
	ModifiedAt  time.Time
}

// Put is what a client without credentials may store: exactly this, once or more, until it ends.
type Put struct {
	ContentType string        // the request's Content-Type header
	Size        int64         // bytes, the request's Content-Length header
	Lifetime    time.Duration // of the link; at most seven days
}

// Bucket is a private store of objects. All methods are safe for concurrent use.
type Bucket interface {
	// Put stores body under key, replacing what is there; on nil it is durable.
	Put(ctx context.Context, key, contentType string, body []byte) error
	// Head returns what is stored under key, or [ErrNotFound].
	Head(ctx context.Context, key string) (Object, error)
	// Get opens what is stored under key, or answers [ErrNotFound]. It is read as it comes, never held
	// whole; a reading that fails says so. The caller closes it.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Delete removes the keys; absent ones are no error. On nil all are gone, else the error is a
	// [*NotDeletedError].
	Delete(ctx context.Context, keys ...string) error
	// List calls yield for every object under prefix, in key order, until it returns false.
	List(ctx context.Context, prefix string, yield func(Object) bool) error
	// SignGet returns a link that reads key without further credentials, and when it ends.
	// Within one window the link is the same, byte for byte; it lives for at least one window.
	SignGet(ctx context.Context, key string) (url string, expires time.Time, err error)
	// SignGetFor is SignGet with a life of the caller's own, at most seven days. No two are the same.
	SignGetFor(ctx context.Context, key string, lifetime time.Duration) (url string, expires time.Time, err error)
	// SignPut returns a link that stores an object under key without further credentials, by the
	// method PUT. The store refuses another type, another length, and anything after it ended.
	SignPut(ctx context.Context, key string, p Put) (url string, expires time.Time, err error)
}
