package r2

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"imagerun/internal/storage"
)

// deleteBatchSize is how many objects one call deletes. S3 allows 1,000, but R2 has answered larger
// batches with 500 InternalError (apache/opendal#2227).
const deleteBatchSize = 500

// Delete implements [storage.Bucket]. Every batch is tried, whatever became of the ones before
// it, so that one bad key keeps nothing else alive; the first error is returned.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	var (
		left  []string
		first error
	)

	for some := range slices.Chunk(keys, deleteBatchSize) {
		still, err := b.deleteBatch(ctx, some)
		left = append(left, still...)

		if first == nil {
			first = err
		}
	}

	if first != nil {
		return &storage.NotDeletedError{Keys: left, Cause: first}
	}

	return nil
}

// deleteBatch returns the keys that may still be there: after a failed call, all of them.
func (b *Bucket) deleteBatch(ctx context.Context, keys []string) (left []string, err error) {
	objects := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		objects[i] = types.ObjectIdentifier{Key: aws.String(key)}
	}

	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	out, err := b.client.DeleteObjects(call, &s3.DeleteObjectsInput{
		Bucket: &b.bucket,
		Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)}, // only what went wrong is listed
	})

	switch status := statusOf(err); {
	case status == http.StatusBadRequest, status == http.StatusNotImplemented:
		// The SDK signs the list with a CRC32 header alone, which R2 has not always understood.
		return b.deleteEach(ctx, keys)
	case err != nil:
		return keys, wrapError("delete objects", err)
	}

	// The answer is 200 even if single objects could not be deleted.
	code := ""

	for _, e := range out.Errors {
		if c := aws.ToString(e.Code); c != "NoSuchKey" {
			left, code = append(left, aws.ToString(e.Key)), c
		}
	}

	if len(left) > 0 {
		return left, &Error{Op: fmt.Sprintf("delete objects: %d of %d", len(left), len(keys)), Code: code}
	}

	return nil, nil
}

func (b *Bucket) deleteEach(ctx context.Context, keys []string) (left []string, first error) {
	for _, key := range keys {
		err := b.deleteOne(ctx, key)
		if err == nil {
			continue
		}

		left = append(left, key)

		if first == nil {
			first = err
		}
	}

	return left, first
}

func (b *Bucket) deleteOne(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: &key})
	if codeOf(err) == "NoSuchKey" {
		return nil
	}

	return wrapError("delete object", err)
}
