package apptest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/simulators/falsim"
)

// TestNothingPersonalInRedis watches every command that Redis gets during a whole run, reads
// every key afterwards, and reads the logs: ids only.
func TestNothingPersonalInRedis(t *testing.T) {
	t.Parallel()

	server := devtest.OwnRedis(t)
	monitor := monitorRedis(t, server.Addr)

	p := apptest.Start(t, apptest.Options{Redis: server.URL, Fal: falsim.Options{Duration: 200 * time.Millisecond}})
	u := p.SignUp(t, "studio")

	const prompt = "my neighbour Zebedee Quillfeather at breakfast"

	g := u.Submit(t, map[string]any{"prompt": prompt, "num_images": 2, "metadata": map[string]string{"order": "order-of-Zebedee"}})
	g = u.Await(t, g.ID, 30*time.Second)
	canceled := u.Submit(t, map[string]any{"prompt": prompt})
	u.Do(t, "POST", "/v1/generations/"+canceled.ID+"/cancel", nil, nil)
	u.Await(t, u.Submit(t, map[string]any{"prompt": prompt + " nsfw"}).ID, 30*time.Second)
	u.Do(t, "DELETE", "/v1/generations/"+g.ID, nil, nil)
	p.Quiet(t)

	// What must be nowhere. Of tokens and links, the part that makes them work.
	needles := map[string]string{
		"prompt": "Zebedee Quillfeather", "metadata": "order-of-Zebedee", "email": u.Email, "password": u.Password,
		"api key": u.Key, "session": u.Bearer, "operator": apptest.Password,
		"bucket": p.S3.URL, "secret key": p.S3.SecretKey, "provider": p.FalURL,
	}
	for i, img := range g.Images {
		needles[fmt.Sprintf("link %d", i)] = img.URL
	}

	seen := monitor()
	require.Contains(t, seen, "asynq", "the monitor saw the queue")
	require.Contains(t, seen, "hints", "the monitor saw the notifications")

	places := map[string]string{"monitor": seen, "keys": dump(t, server.URL), "log": p.Log.String()}
	for place, text := range places {
		for what, needle := range needles {
			for form, n := range forms(needle) {
				require.NotContains(t, text, n, "%s holds %s, %s", place, what, form)
			}
		}
	}

	// The search finds what is there.
	require.Contains(t, base64.StdEncoding.EncodeToString([]byte("x"+prompt)), forms(prompt)["base64 at 1"])
}

// forms are the ways in which a value can stand in a text.
func forms(s string) map[string]string {
	all := map[string]string{
		"plain": s, "url-encoded": url.QueryEscape(s), "path-encoded": url.PathEscape(s), "hex": hex.EncodeToString([]byte(s)),
		"quoted": strings.Trim(fmt.Sprintf("%q", s), `"`),
	}

	// Base64 of a longer text holds one of three forms, by where in it the value begins; the
	// characters at both ends depend on what is beside it.
	for i := range 3 {
		enc := base64.RawStdEncoding.EncodeToString(append(bytes.Repeat([]byte{0}, i), s...))
		from := (i*8 + 5) / 6
		all[fmt.Sprintf("base64 at %d", i)] = enc[from : len(enc)-1]
		all[fmt.Sprintf("base64url at %d", i)] = strings.NewReplacer("+", "-", "/", "_").Replace(enc[from : len(enc)-1])
	}

	return all
}

// monitorRedis records every command; the function it returns ends that and gives the record.
func monitorRedis(t *testing.T, addr string) func() string {
	t.Helper()

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)

	_, err = conn.Write([]byte("MONITOR\r\n"))
	require.NoError(t, err)

	var (
		seen bytes.Buffer
		wg   sync.WaitGroup
	)

	wg.Go(func() { _, _ = io.Copy(&seen, conn) })
	t.Cleanup(func() { _ = conn.Close() })

	return func() string {
		_ = conn.Close()

		wg.Wait()

		return seen.String()
	}
}

// dump reads every key of every database, by its type.
func dump(t *testing.T, url string) string {
	t.Helper()

	o, err := redis.ParseURL(url)
	require.NoError(t, err)

	c := redis.NewClient(o)
	defer c.Close()

	var (
		all  strings.Builder
		ctx  = context.WithoutCancel(t.Context())
		keys = c.Scan(ctx, 0, "*", 1000).Iterator()
	)

	for keys.Next(ctx) {
		k := keys.Val()

		var v any

		switch kind := c.Type(ctx, k).Val(); kind {
		case "string":
			v, err = c.Get(ctx, k).Result()
		case "hash":
			v, err = c.HGetAll(ctx, k).Result()
		case "list":
			v, err = c.LRange(ctx, k, 0, -1).Result()
		case "set":
			v, err = c.SMembers(ctx, k).Result()
		case "zset":
			v, err = c.ZRange(ctx, k, 0, -1).Result()
		case "stream":
			v, err = c.XRange(ctx, k, "-", "+").Result()
		case "none": // gone since the scan
		default:
			require.Failf(t, "unknown type", "%s is a %s", k, kind)
		}

		require.NoError(t, err)
		fmt.Fprintf(&all, "%s %v\n", k, v)
	}

	require.NoError(t, keys.Err())
	require.NotEmpty(t, all.String())

	return all.String()
}
