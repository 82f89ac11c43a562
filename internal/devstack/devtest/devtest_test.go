package devtest_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

func TestPostgres(t *testing.T) {
	t.Parallel()

	t.Run("EachTestHasItsOwnDatabase", func(t *testing.T) {
		t.Parallel()

		a, b := devtest.Postgres(t), devtest.Postgres(t)

		_, err := a.Exec(t.Context(), "insert into generation_user (user_id) values (gen_random_uuid())")
		require.NoError(t, err)

		var inA, inB int
		require.NoError(t, a.QueryRow(t.Context(), "select count(*) from generation_user").Scan(&inA))
		require.NoError(t, b.QueryRow(t.Context(), "select count(*) from generation_user").Scan(&inB))
		require.Equal(t, 1, inA)
		require.Equal(t, 0, inB)
	})

	t.Run("EachLoginHasAURL", func(t *testing.T) {
		t.Parallel()

		app, auth, owner := devtest.PostgresURLs(t)
		urls := map[string]string{app: "app", auth: "auth", owner: "imagerun_owner"}

		for _, login := range devstack.Logins() {
			urls[devtest.As(t, owner, login)] = login
		}

		require.Len(t, urls, 8)

		for url, want := range urls {
			var user string
			require.NoError(t, devtest.Pool(t, url).QueryRow(t.Context(), "select current_user").Scan(&user))
			require.Equal(t, want, user)
		}
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()

	open := func(url string) *redis.Client {
		options, err := redis.ParseURL(url)
		require.NoError(t, err)

		c := redis.NewClient(options)
		t.Cleanup(func() { _ = c.Close() })

		return c
	}

	a, b := open(devtest.Redis(t)), open(devtest.Redis(t))
	require.NoError(t, a.Set(t.Context(), "k", "v", 0).Err())
	require.ErrorIs(t, b.Get(t.Context(), "k").Err(), redis.Nil)
}

func TestS3(t *testing.T) {
	t.Parallel()

	bucket := devtest.S3(t)
	client := func(secret string) *s3.Client {
		return s3.New(s3.Options{
			BaseEndpoint: aws.String(bucket.URL), Region: bucket.Region, UsePathStyle: true,
			Credentials: credentials.NewStaticCredentialsProvider(bucket.AccessKey, secret, ""),
			HTTPClient:  &http.Client{},
		})
	}

	put := func(c *s3.Client) error {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(bucket.Name), Key: aws.String("a/b.txt"), Body: bytes.NewReader([]byte("hello")),
			ContentType: aws.String("text/plain"),
		})

		return err
	}

	require.NoError(t, put(client(bucket.SecretKey)))
	require.ErrorContains(t, put(client("wrong")), "SignatureDoesNotMatch")

	list, err := client(bucket.SecretKey).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket.Name)})
	require.NoError(t, err)
	require.Len(t, list.Contents, 1)
	require.Equal(t, "a/b.txt", *list.Contents[0].Key)
}
