package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"
)

const (
	// answerTime is for our own work on a request, so that a refusal is there within five seconds. The body's time, and
	// that of what lasts, is not counted.
	answerTime = 4 * time.Second

	// vendorTime is for a request that the payment provider is asked about while its caller waits.
	vendorTime = 30 * time.Second

	bodyTime  = 10 * time.Second // from the headers to the end of a body
	replyTime = 15 * time.Second // to write a reply that was waited for
	readTime  = 60 * time.Second // for which a request goes on once its body is in

	minRate    = 16 << 10 // bytes a second that the reader of a download takes
	writeGrace = 30 * time.Second
)

// withoutDeadline returns ctx without the deadline of its request, for a wait, a stream or a download: it ends when the caller
// leaves. Each call within it is given [answerTime].
func (x *exchange) withoutDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	x.lasts = true

	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(x.caller, cancel)

	return ctx, func() {
		stop()
		cancel()
	}
}

// timedBody is a body that has to come within [bodyTime], so that a connection that sends nothing is held
// no longer than that, whatever its route waits for afterwards. Once it is in, the request has the
// time of its reply: net/http ends its context with the deadline for reading.
type timedBody struct {
	io.ReadCloser

	rc *http.ResponseController
}

// timeBody begins the time of r's body, if it has one.
func timeBody(w http.ResponseWriter, r *http.Request) io.ReadCloser {
	if r.Body == nil || r.Body == http.NoBody {
		return http.NoBody
	}

	b := &timedBody{r.Body, http.NewResponseController(w)}
	_ = b.rc.SetReadDeadline(time.Now().Add(bodyTime))

	return b
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // a reader returns it as it is
		_ = b.rc.SetReadDeadline(time.Now().Add(readTime))
	}

	return n, err
}

// extendDeadlines lets a reply take as long as d although the server's own timeouts are shorter. The body
// must be in: nothing but the end of the connection is read from then on. What it returns bounds
// what may follow the reply.
func extendDeadlines(rc *http.ResponseController, d time.Duration) func() {
	_ = rc.SetReadDeadline(time.Time{}) // or net/http ends the request's context with it
	_ = rc.SetWriteDeadline(time.Now().Add(d))

	return func() { _ = rc.SetReadDeadline(time.Now().Add(5 * time.Second)) }
}

// pacedWriter gives a download as long as its reader needs at [minRate]. A reader who is slower holds
// pictures and a connection in vain. The time in which there was nothing to write is not counted.
type pacedWriter struct {
	io.Writer

	rc      *http.ResponseController
	written int64
	spent   time.Duration
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	began := time.Now()
	due := writeGrace + time.Duration(w.written+int64(len(p)))*(time.Second/minRate)
	_ = w.rc.SetWriteDeadline(began.Add(min(due-w.spent, maxWait)))

	n, err := w.Writer.Write(p)
	w.written += int64(n)
	w.spent += time.Since(began)

	return n, err
}
