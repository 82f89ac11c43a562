package r2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"imagerun/internal/storage"
)

// Page returns at most limit objects whose keys come after one, in the order of the keys' bytes,
// and whether there are more. S3 gives at most 1,000 at a time. Content types are empty.
func (b *Bucket) Page(ctx context.Context, after string, limit int) (objects []storage.Object, more bool, err error) {
	in := s3.ListObjectsV2Input{Bucket: &b.bucket, MaxKeys: aws.Int32(int32(limit))}
	if after != "" {
		in.StartAfter = &after
	}

	// A store may answer with a page of nothing that has another one behind it.
	for {
		out, err := b.listOnce(ctx, &in)
		if err != nil {
			return nil, false, wrapError("list objects", err)
		}

		for _, o := range out.Contents {
			objects = append(objects, storage.Object{
				Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), ModifiedAt: aws.ToTime(o.LastModified).UTC(),
			})
		}

		if more := aws.ToBool(out.IsTruncated); len(objects) > 0 || !more || out.NextContinuationToken == nil {
			return objects, more, nil
		}

		in.ContinuationToken = out.NextContinuationToken
	}
}

func (b *Bucket) listOnce(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	return b.client.ListObjectsV2(ctx, in)
}

// Multiparts calls yield for each upload in parts that was begun and not ended, until it returns
// false.
func (b *Bucket) Multiparts(ctx context.Context, yield func(storage.Multipart) bool) error {
	pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.bucket})

	for pages.HasMorePages() {
		page, err := b.nextMultiparts(ctx, pages)
		if err != nil {
			return wrapError("list uploads in parts", err)
		}

		for _, u := range page.Uploads {
			if !yield(storage.Multipart{
				Key: aws.ToString(u.Key), UploadID: aws.ToString(u.UploadId), BegunAt: aws.ToTime(u.Initiated).UTC(),
			}) {
				return nil
			}
		}
	}

	return nil
}

func (b *Bucket) nextMultiparts(ctx context.Context, pages *s3.ListMultipartUploadsPaginator) (*s3.ListMultipartUploadsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	return pages.NextPage(ctx)
}

// AbortMultipart calls an upload in parts off and frees its room. One that is gone is no error.
func (b *Bucket) AbortMultipart(ctx context.Context, m storage.Multipart) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &b.bucket, Key: &m.Key, UploadId: &m.UploadID,
	})
	if codeOf(err) == "NoSuchUpload" {
		return nil
	}

	return wrapError("abort upload in parts", err)
}
