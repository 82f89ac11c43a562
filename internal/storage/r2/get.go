package r2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"imagerun/internal/storage"
)

// Get implements [storage.Bucket]. The timeout holds for the answer, and again for each read of
// the body: the reader may take its time between them, the store may not.
func (b *Bucket) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	slow := time.AfterFunc(b.timeout, func() { cancel(context.DeadlineExceeded) })

	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &key})
	slow.Stop()

	if err != nil {
		err = joinContextCause(ctx, err)
		cancel(nil)

		if statusOf(err) == http.StatusNotFound && codeOf(err) != "NoSuchBucket" {
			return nil, storage.ErrNotFound
		}

		return nil, wrapError("get object", err)
	}

	return &object{ctx: ctx, cancel: cancel, body: out.Body, slow: slow, patience: b.timeout}, nil
}

// object is the body of an answer.
type object struct {
	ctx      context.Context //nolint:containedctx // of the one call that this is the answer to
	cancel   context.CancelCauseFunc
	body     io.ReadCloser
	slow     *time.Timer
	patience time.Duration
}

// Read implements [io.Reader].
func (o *object) Read(p []byte) (int, error) {
	o.slow.Reset(o.patience)
	defer o.slow.Stop()

	n, err := o.body.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err //nolint:wrapcheck // io.EOF itself is how a reader ends
	}

	return n, wrapError("read object", joinContextCause(o.ctx, err))
}

// Close implements [io.Closer].
func (o *object) Close() error {
	o.slow.Stop()
	defer o.cancel(nil)

	return wrapError("close object", o.body.Close())
}

// joinContextCause adds why the context ended, which what the transport says may not tell.
func joinContextCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return errors.Join(err, cause)
	}

	return err
}
