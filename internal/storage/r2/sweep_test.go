package r2_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"imagerun/internal/storage"
)

func TestBucket_Page(t *testing.T) {
	t.Parallel()

	t.Run("Worked", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		// In the order of bytes: "B" before "a", and a longer key after its beginning.
		want := []string{"u/B.png", "u/a.png", "u/a.thumb.jpg", "u/b/1.png", "u/é.png"}

		for _, k := range want {
			require.NoError(t, b.truth.Put(t.Context(), k, "image/png", []byte("xy")))
		}

		var got []string

		for after, more := "", true; more; {
			var (
				page []storage.Object
				err  error
			)

			page, more, err = b.bucket.Page(t.Context(), after, 2)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), 2)

			for _, o := range page {
				require.Equal(t, int64(2), o.Size)
				require.WithinDuration(t, time.Now(), o.ModifiedAt, time.Minute)

				got = append(got, o.Key)
			}

			if len(got) > 0 {
				after = got[len(got)-1]
			}
		}

		require.Equal(t, want, got)

		page, more, err := b.bucket.Page(t.Context(), "u/a.png", 1000)
		require.NoError(t, err)
		require.False(t, more)
		require.Len(t, page, 3)
	})

	t.Run("AnEmptyPageInBetween", func(t *testing.T) {
		t.Parallel()

		b := setup(t, page(true), page(true), page(true, "u/a.png"))
		got, more, err := b.bucket.Page(t.Context(), "", 2)
		require.NoError(t, err)
		require.True(t, more)
		require.Len(t, got, 1)
		require.EqualValues(t, 3, b.line.sent.Load())
	})

	t.Run("Failed", func(t *testing.T) {
		t.Parallel()

		b := setup(t, always(answers(500, "InternalError"))...)
		_, _, err := b.bucket.Page(t.Context(), "", 2)
		require.ErrorContains(t, err, "list objects: InternalError (status 500)")
	})

	t.Run("CutOff", func(t *testing.T) {
		t.Parallel()

		b := setup(t, cut(), cut(), cut(), cut(), cut())
		_, _, err := b.bucket.Page(t.Context(), "", 2)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

// begin begins uploads in parts, which no code of ours does.
func begin(t *testing.T, b *bundle, keys ...string) {
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

func multiparts(t *testing.T, b *bundle) (all []storage.Multipart) {
	t.Helper()

	require.NoError(t, b.truth.Multiparts(t.Context(), func(m storage.Multipart) bool {
		all = append(all, m)

		return true
	}))

	return all
}

func TestBucket_Multiparts(t *testing.T) {
	t.Parallel()

	t.Run("Worked", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		begin(t, b, "u/1.png", "u/1.png", "u/2.png")

		all := multiparts(t, b)
		require.Len(t, all, 3)

		for _, m := range all {
			require.WithinDuration(t, time.Now(), m.BegunAt, time.Minute)
			require.NoError(t, b.bucket.AbortMultipart(t.Context(), m))
			require.NoError(t, b.bucket.AbortMultipart(t.Context(), m), "gone is gone")
		}

		require.Empty(t, multiparts(t, b))
	})

	t.Run("OnPages", func(t *testing.T) {
		t.Parallel()

		upload := func(more bool, n int) fault {
			return reply(http.StatusOK, fmt.Sprintf(`<ListMultipartUploadsResult><IsTruncated>%t</IsTruncated>
				<NextKeyMarker>u/%d</NextKeyMarker><NextUploadIdMarker>id%d</NextUploadIdMarker>
				<Upload><Key>u/%d</Key><UploadId>id%d</UploadId><Initiated>2026-11-01T00:00:00Z</Initiated></Upload>
				</ListMultipartUploadsResult>`, more, n, n, n, n))
		}

		b := setup(t, upload(true, 1), upload(false, 2))

		var got []string

		require.NoError(t, b.bucket.Multiparts(t.Context(), func(m storage.Multipart) bool {
			got = append(got, m.UploadID)

			return true
		}))
		require.Equal(t, []string{"id1", "id2"}, got)
	})

	t.Run("FailedAndDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, always(answers(500, "InternalError"))...)
		err := b.bucket.Multiparts(t.Context(), func(storage.Multipart) bool { return true })
		require.ErrorContains(t, err, "list uploads in parts: InternalError (status 500)")

		b = setup(t, always(answers(403, "AccessDenied"))...)
		begin(t, b, "u/1.png")
		require.ErrorContains(t, b.bucket.AbortMultipart(t.Context(), multiparts(t, b)[0]), "abort upload in parts: AccessDenied")
		require.Len(t, multiparts(t, b), 1)
	})

	t.Run("FailedButDidHappen", func(t *testing.T) {
		t.Parallel()

		// The SDK asks again and hears that there is no such upload.
		b := setup(t, cut())
		begin(t, b, "u/1.png")
		require.NoError(t, b.bucket.AbortMultipart(t.Context(), multiparts(t, b)[0]))
		require.Empty(t, multiparts(t, b))
	})
}

// A deletion that failed says which objects may be left.
func TestBucket_Delete_NamesWhatIsLeft(t *testing.T) {
	t.Parallel()

	b := setup(t, reply(http.StatusOK, `<DeleteResult>
		<Error><Key>u/1.png</Key><Code>InternalError</Code></Error>
		<Error><Key>u/2.png</Key><Code>NoSuchKey</Code></Error></DeleteResult>`), answers(403, "AccessDenied"))

	many := make([]string, 0, 502)
	for i := range 502 {
		many = append(many, fmt.Sprintf("u/%d.png", i))
	}

	var left *storage.NotDeletedError

	require.ErrorAs(t, b.bucket.Delete(t.Context(), many...), &left)
	require.Equal(t, []string{"u/1.png", "u/500.png", "u/501.png"}, left.Keys)
	require.NotContains(t, left.Error(), "u/1.png")
}
