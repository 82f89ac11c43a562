package r2

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"imagerun/internal/storage"
)

// maxLinkLifetime is the most that S3 and R2 accept. The SDK signs longer ones without a word.
const maxLinkLifetime = 7 * 24 * time.Hour

// SignGet implements [storage.Bucket]. Links are signed as of the start of the current window
// and live for two, so a link that is handed out at any moment works for one to two windows.
func (b *Bucket) SignGet(ctx context.Context, key string) (string, time.Time, error) {
	return b.signGet(ctx, key, b.now().UTC().Truncate(b.window), 2*b.window)
}

// SignGetFor implements [storage.Bucket].
func (b *Bucket) SignGetFor(ctx context.Context, key string, lifetime time.Duration) (string, time.Time, error) {
	return b.signGet(ctx, key, b.now().UTC().Truncate(time.Second), lifetime)
}

func (b *Bucket) signGet(ctx context.Context, key string, start time.Time, lifetime time.Duration) (string, time.Time, error) {
	lifetime = linkLifetime(lifetime)

	req, err := b.signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &key}, presignAt(start, lifetime))
	if err != nil {
		return "", time.Time{}, wrapError("sign link", err)
	}

	return req.URL, start.Add(lifetime), nil
}

// SignPut implements [storage.Bucket]. Type and length are part of the signature, because S3 has
// no other way to bound what is sent by PUT, and R2 has no form uploads with conditions. A body
// of another length makes another Content-Length, which does not match the signature.
func (b *Bucket) SignPut(ctx context.Context, key string, p storage.Put) (string, time.Time, error) {
	start := b.now().UTC().Truncate(time.Second)
	lifetime := linkLifetime(p.Lifetime)

	req, err := b.signer.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.bucket, Key: &key, ContentType: &p.ContentType, ContentLength: &p.Size,
	}, presignAt(start, lifetime))
	if err != nil {
		return "", time.Time{}, wrapError("sign upload", err)
	}

	return req.URL, start.Add(lifetime), nil
}

// linkLifetime is what S3 takes: whole seconds, one at least.
func linkLifetime(d time.Duration) time.Duration {
	return min(max(d.Truncate(time.Second), time.Second), maxLinkLifetime)
}

func presignAt(start time.Time, lifetime time.Duration) func(*s3.PresignOptions) {
	return func(o *s3.PresignOptions) {
		o.Expires = lifetime
		o.Presigner = signerAt{at: start, signer: v4.NewSigner(func(so *v4.SignerOptions) {
			so.DisableURIPathEscaping = true // S3 signs the path as it is sent
		})}
	}
}

// signerAt signs as if it were another time.
type signerAt struct {
	at     time.Time
	signer *v4.Signer
}

// PresignHTTP implements [s3.HTTPPresignerV4].
func (s signerAt) PresignHTTP(
	ctx context.Context, c aws.Credentials, r *http.Request, payloadHash, service, region string, _ time.Time,
	options ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	return s.signer.PresignHTTP(ctx, c, r, payloadHash, service, region, s.at, options...)
}
