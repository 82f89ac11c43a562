package sweep_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"imagerun/internal/storage"
)

// begin begins uploads in parts, as some other tool does.
func (b *bundle) begin(t *testing.T, keys ...string) {
	t.Helper()

	client := s3.New(s3.Options{
		BaseEndpoint: &b.store.URL, Region: b.store.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(b.store.AccessKey, b.store.SecretKey, ""),
	})

	for _, key := range keys {
		_, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.store.Name, Key: aws.String(key)})
		require.NoError(t, err)
	}
}

func (b *bundle) uploads(t *testing.T) (n int) {
	t.Helper()

	require.NoError(t, b.bucket.Multiparts(t.Context(), func(storage.Multipart) bool {
		n++

		return true
	}))

	return n
}

func TestAbortIncompleteMultiparts(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.begin(t, b.orphan(), b.orphan(), "backup.tar")

	b.ahead = 23 * time.Hour
	r, _, err := b.run(t)
	require.NoError(t, err)
	require.Zero(t, r.IncompleteMultiparts, "it may be on its way")

	b.ahead = 25 * time.Hour
	calls := 0
	b.bucket.abort = func() error {
		if calls++; calls == 1 {
			return errors.New("refused")
		}

		return nil
	}

	r, _, err = b.run(t)
	require.ErrorContains(t, err, "refused")
	require.Equal(t, []int64{3, 2}, []int64{r.IncompleteMultiparts, r.Aborted}, "one keeps none of the others")
	require.Equal(t, 1, b.uploads(t))

	b.bucket.abort = nil
	r, _, err = b.run(t)
	require.NoError(t, err)
	require.True(t, r.Settled())
	require.Zero(t, b.uploads(t))
}
