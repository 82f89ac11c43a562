// Package r2 is a [storage.Bucket] on Cloudflare R2, or on any other store that speaks S3.
//
// It makes no bucket and lists none: the token of a production process may touch objects only.
// Nothing here logs, and no error carries a URL, a key of an object or a credential, because a
// signed URL is as good as the object.
package r2

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"imagerun/internal/clock"
	"imagerun/internal/redact"
	"imagerun/internal/storage"
)

const (
	// cacheControl lets the reader's own browser keep an image for a while and no cache in between:
	// a copy in a shared cache would outlive the object.
	cacheControl = "private, max-age=3600"
	// attempts of one call, the first included.
	attempts = 5
	// readyKey names an object that never exists.
	readyKey = ".ready"
)

// Options say which bucket and how to reach it.
type Options struct {
	Endpoint   string        // https://<account>.r2.cloudflarestorage.com
	Region     string        // empty: auto, R2's only one
	AccessKey  string        // id of the token
	SecretKey  redact.Secret // its secret
	Bucket     string        // exists already
	LinkWindow time.Duration // links are the same within one; zero: 1 h; at most 84 h
	Timeout    time.Duration // of one call, its retries included; zero: 30 s
	MaxBackoff time.Duration // the longest pause between two attempts; zero: 10 s
	Now        clock.Now
	HTTPClient s3.HTTPClient // nil: one of the SDK's own
}

// Bucket implements [storage.Bucket].
type Bucket struct {
	client  *s3.Client
	signer  *s3.PresignClient
	bucket  string
	window  time.Duration
	timeout time.Duration
	now     clock.Now
}

var _ storage.Bucket = (*Bucket)(nil)

// New returns the bucket without reaching for it.
func New(o Options) *Bucket {
	if o.HTTPClient == nil {
		o.HTTPClient = awshttp.NewBuildableClient()
	}

	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(o.Endpoint),
		Region:       orDefault(o.Region, "auto"),
		Credentials:  aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey.Reveal(), "")),
		HTTPClient:   o.HTTPClient,
		// Works on R2 and on every local server.
		UsePathStyle: true,
		// By default the SDK frames bodies as signed chunks with a checksum trailer, which R2 has
		// refused and mangled at times. Put sends its own checksum, which R2 verifies.
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
		// Cloudflare never answers "Expect: 100-continue": each large Put would wait one second.
		ContinueHeaderThresholdBytes: -1,
		Retryer: retry.NewStandard(func(so *retry.StandardOptions) {
			so.MaxAttempts = attempts
			so.MaxBackoff = orDefault(o.MaxBackoff, 10*time.Second)
			// The SDK retries neither R2's "too many requests" nor Cloudflare's own statuses.
			so.Retryables = append(so.Retryables, retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{
				http.StatusTooManyRequests: {}, 520: {}, 521: {}, 522: {}, 523: {}, 524: {},
			}})
		}),
	})

	return &Bucket{
		client:  client,
		signer:  s3.NewPresignClient(client),
		bucket:  o.Bucket,
		window:  min(orDefault(o.LinkWindow, time.Hour), maxLinkLifetime/2),
		timeout: orDefault(o.Timeout, 30*time.Second),
		now:     o.Now,
	}
}

// Put implements [storage.Bucket]. The store verifies the body against a SHA-256 of ours.
func (b *Bucket) Put(ctx context.Context, key, contentType string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	sum := sha256.Sum256(body)

	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:         &b.bucket,
		Key:            &key,
		Body:           bytes.NewReader(body), // seekable, so that it can be sent again
		ContentLength:  aws.Int64(int64(len(body))),
		ContentType:    &contentType,
		CacheControl:   aws.String(cacheControl),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	})

	return wrapError("put object", err)
}

// Head implements [storage.Bucket]. A bucket that does not exist looks like an absent object
// here, because the answer to HEAD has no body; [Bucket.Ready] tells them apart.
func (b *Bucket) Head(ctx context.Context, key string) (storage.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: &key})

	switch {
	case statusOf(err) == http.StatusNotFound:
		return storage.Object{}, storage.ErrNotFound
	case err != nil:
		return storage.Object{}, wrapError("head object", err)
	}

	return storage.Object{
		Key:         key,
		Size:        aws.ToInt64(out.ContentLength),
		ContentType: aws.ToString(out.ContentType),
		ModifiedAt:  aws.ToTime(out.LastModified).UTC(),
	}, nil
}

// List implements [storage.Bucket]. A listing knows no content types: they are empty.
func (b *Bucket) List(ctx context.Context, prefix string, yield func(storage.Object) bool) error {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &prefix})

	for pages.HasMorePages() {
		page, err := b.nextPage(ctx, pages)
		if err != nil {
			return wrapError("list objects", err)
		}

		for _, o := range page.Contents {
			if !yield(storage.Object{
				Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), ModifiedAt: aws.ToTime(o.LastModified).UTC(),
			}) {
				return nil
			}
		}
	}

	return nil
}

// nextPage has the timeout of one call: yield may take its time.
func (b *Bucket) nextPage(ctx context.Context, pages *s3.ListObjectsV2Paginator) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	return pages.NextPage(ctx)
}

// Ready reports whether the bucket is there and our token may read it. It asks for an object
// that never exists: R2 counts that as its cheapest operation, and unlike HeadBucket it is
// allowed to a token for objects alone. One attempt, so that a probe is quick.
func (b *Bucket) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()

	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: aws.String(readyKey)},
		func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	if err == nil {
		return out.Body.Close()
	}

	if codeOf(err) == "NoSuchKey" {
		return nil
	}

	return wrapError("reach bucket", err)
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}

	return value
}
