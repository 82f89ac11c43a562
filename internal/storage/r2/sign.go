package r2

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// longestLink is the most that S3 and R2 accept. The SDK signs longer ones without a word.
const longestLink = 7 * 24 * time.Hour

// SignGet implements [storage.Bucket]. Links are signed as of the start of the current window
// and live for two, so a link that is handed out at any moment works for one to two windows.
func (b *Bucket) SignGet(ctx context.Context, key string) (string, time.Time, error) {
	start := b.now().UTC().Truncate(b.window)
	lifetime := 2 * b.window

	req, err := b.signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &key},
		func(o *s3.PresignOptions) {
			o.Expires = lifetime
			o.Presigner = signerAt{at: start, signer: v4.NewSigner(func(so *v4.SignerOptions) {
				so.DisableURIPathEscaping = true // S3 signs the path as it is sent
			})}
		})
	if err != nil {
		return "", time.Time{}, wrap("sign link", err)
	}

	return req.URL, start.Add(lifetime), nil
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
