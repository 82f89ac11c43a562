package r2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"imagerun/internal/storage"
)

// Error is any failure of the store. It is made anew from the parts that any reader may see,
// because the SDK's own errors quote URLs, and those of signed requests are secrets.
type Error struct {
	Op     string // what we were doing
	Code   string // the store's code, such as "SlowDown"; empty: it did not answer
	Status int    // of the answer; 0: there was none, or it was about single objects
	Ray    string // Cloudflare's id of the exchange, for their support

	cause error // why there was no answer: a context's error, an errno or an end of file
}

// Error says what the store said, or why it said nothing.
func (e *Error) Error() string {
	s := e.Op

	switch {
	case e.Code != "" && e.Status != 0:
		s += fmt.Sprintf(": %s (status %d)", e.Code, e.Status)
	case e.Code != "":
		s += ": " + e.Code
	case e.Status != 0:
		s += fmt.Sprintf(": status %d", e.Status)
	case e.cause != nil:
		s += ": no answer: " + e.cause.Error()
	default:
		s += ": no answer"
	}

	if e.Ray != "" {
		s += ", ray " + e.Ray
	}

	return s
}

// Unwrap returns why there was no answer, and [storage.ErrUnavailable] where that is what a caller should know.
func (e *Error) Unwrap() []error {
	var causes []error

	if e.cause != nil {
		causes = append(causes, e.cause)
	}

	if e.cause != nil || e.Status == 0 && e.Code == "" || e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError {
		causes = append(causes, storage.ErrUnavailable)
	}

	return causes
}

// errTimeout stands for every network timeout.
var errTimeout = errors.New("the network timed out")

// wrapError says what we were doing; wrap of nil is nil.
func wrapError(op string, err error) error {
	if err == nil {
		return nil
	}

	e := &Error{Op: op, Code: codeOf(err), Status: statusOf(err)}

	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.Response != nil {
		e.Ray = regexp.MustCompile(`^[0-9a-f]{1,32}(-[A-Z]{3})?$`).FindString(answer.Response.Header.Get("Cf-Ray"))
	}

	// A status that came with half a body is a failure of the exchange as well.
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF} {
		if e.cause == nil && errors.Is(err, cause) {
			e.cause = cause
		}
	}

	if errno, ok := errors.AsType[syscall.Errno](err); ok && e.cause == nil {
		e.cause = errno
	}

	if timeout, ok := errors.AsType[net.Error](err); ok && e.cause == nil && timeout.Timeout() {
		e.cause = errTimeout
	}

	return e
}

// codeOf returns the store's own code for what went wrong, if it is one word: what stands in
// for the store may answer anything.
func codeOf(err error) string {
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}

	return regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`).FindString(answer.ErrorCode())
}

// statusOf returns the HTTP status of a failed call; 0 without an answer, and for nil.
func statusOf(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}

	return 0
}
