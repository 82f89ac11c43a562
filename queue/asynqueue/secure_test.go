package asynqueue_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// documented returns the rights that docs/operations.md asks for: in the servers and the sentinels.
func documented(t *testing.T) (server, sentinel string) {
	t.Helper()

	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)

	lines := regexp.MustCompile(`(?m)^    ACL SETUSER imagerun on >password (.+)$`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, lines, 2)

	return lines[0][1], lines[1][1]
}

// TestSecure works jobs over TLS, as a user with the documented rights and no others, by each kind
// of URL: no server refused anything.
func TestSecure(t *testing.T) {
	t.Parallel()

	rights, watch := documented(t)

	t.Run("Alone", func(t *testing.T) {
		t.Parallel()

		r := devtest.OwnSecureRedis(t, rights)
		everything(t, strings.Replace(r.URL, "/0?", "/3?", 1))
		nothingRefused(t, r)
	})

	t.Run("Sentinel", func(t *testing.T) {
		t.Parallel()

		s := devtest.OwnSentinel(t, devstack.SentinelOptions{Rights: rights, WatchRights: watch})
		everything(t, s.URL)
		nothingRefused(t, append(s.Servers, s.Watchers...)...)
	})

	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()

		c := devtest.OwnCluster(t, devstack.ClusterOptions{Rights: rights})
		everything(t, c.URL)
		nothingRefused(t, c.Nodes...)
	})
}

// everything does what api, worker and scheduler do with Redis.
func everything(t *testing.T, redisURL string) {
	t.Helper()

	log := slog.New(slog.DiscardHandler)
	s := setup(t, redisURL, durable.Timing{})
	require.NoError(t, asynqueue.Check(t.Context(), s.client))

	s.maintain()

	cron, err := durable.NewCron(s.queue, queue.Schedule{
		Name: "chore", Spec: "0 3 * * *", CatchUp: time.Hour, Args: func(time.Time) queue.Args { return probe{} },
	})
	require.NoError(t, err)

	admin := durable.NewAdmin(s.queue)
	pauses := asynqueue.NewPauses(s.pusher, admin, log)
	pages := asynqueue.Dashboard(asynqueue.DashboardOptions{Client: s.client, Prefix: "/queues", Admin: admin, Cron: cron, Log: log})

	var redriven atomic.Bool

	server, stop := s.worker(func(context.Context, *queue.Job[probe]) error {
		if !redriven.Load() {
			return queue.Cancel(os.ErrInvalid)
		}

		return nil
	}, asynqueue.ServerOptions{})
	s.eventually(10*time.Second, server.Ready)

	id, later := s.stage(), s.stage(durable.After(2*time.Second))
	s.eventually(10*time.Second, func() bool { return s.counts()["archived"] == 2 })
	require.NoError(t, pauses.Restore(t.Context(), []string{"tests"}))
	require.Equal(t, 12, testutil.CollectAndCount(asynqueue.NewCollector(s.pusher, []string{"tests"}, log)))

	for _, page := range []string{
		"/queues", "/queues/tests", "/queues/tests/pending_tasks", "/queues/tests/active_tasks", "/queues/tests/archived_tasks",
		"/queues/tests/tasks/" + id.String() + ":1", "/servers", "/queue_stats", "/redis_info", "/scheduler_entries",
	} {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/queues/api"+page, nil))
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", page, w.Body)
	}

	redriven.Store(true)

	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/queues/api/queues/tests/archived_tasks:run_all", nil)
	r.SetBasicAuth("ada", "secret")
	pages.ServeHTTP(w, r)
	require.Less(t, w.Code, 300, w.Body)
	s.gone(10*time.Second, id)
	s.gone(10*time.Second, later)

	// As generations tell of their progress.
	sub := s.client.Subscribe(t.Context(), "imagerun:generation:hints")
	defer sub.Close()

	_, err = sub.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.client.Publish(t.Context(), "imagerun:generation:hints", "x").Err())

	_, err = sub.ReceiveMessage(t.Context())
	require.NoError(t, err)
	<-time.After(6 * time.Second) // each of asynq's loops, and ours, has come round
	require.NoError(t, stop())
}

// nothingRefused asks each server whether it had to refuse something.
func nothingRefused(t *testing.T, servers ...*devstack.Redis) {
	t.Helper()

	for _, r := range servers {
		client := redis.NewClient(&redis.Options{Addr: r.Addr, Protocol: 2})
		entries, err := client.ACLLog(t.Context(), 10).Result()
		require.NoError(t, client.Close())
		require.NoError(t, err)

		for _, e := range entries {
			t.Errorf("%s refused %s %q to %s", r.Addr, e.Reason, e.Object, e.Username)
		}
	}
}

// TestSecure_Refusals tells plainly why a Redis does not let us in, and never with what.
func TestSecure_Refusals(t *testing.T) {
	t.Parallel()

	rights, _ := documented(t)
	r := devtest.OwnSecureRedis(t, rights)
	sec := r.Security
	replace := func(old, with string) string {
		require.Contains(t, r.URL, old)

		return strings.Replace(r.URL, old, with, 1)
	}
	without := func(right string) string {
		require.Contains(t, rights, right)

		return devtest.OwnSecureRedis(t, strings.Replace(rights, right, "", 1)).URL
	}

	for name, c := range map[string]struct{ url, want string }{
		"StrangeAuthority":  {replace(url.QueryEscape(sec.CA), url.QueryEscape(sec.AnotherAuthority)), "certificate signed by unknown authority"},
		"NoCertificate":     {replace("&cert_file="+url.QueryEscape(sec.Cert)+"&key_file="+url.QueryEscape(sec.Key), ""), "certificate required"},
		"WrongPassword":     {replace(sec.Password, "an0ther"), "WRONGPASS"},
		"NoSuchUser":        {replace("//"+sec.User+":", "//nobody:"), "WRONGPASS"},
		"RightToAsk":        {without("+info"), "NOPERM"},
		"RightToScript":     {without("+evalsha"), "NOPERM"},
		"RightToHashes":     {without("+@hash"), "lacks a right"},
		"RightToOurKeys":    {without("~durable:*"), "NOPERM"},
		"RightToAsynqsKeys": {without("~asynq:*"), "NOPERM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			client, err := asynqueue.Connect(c.url, 0)
			require.NoError(t, err)

			defer client.Close()

			err = asynqueue.Check(t.Context(), client)
			require.ErrorContains(t, err, c.want)
			require.NotErrorIs(t, err, asynqueue.ErrUnfit, "it is waited for")
			require.NotContains(t, err.Error(), sec.Password)
			require.NotContains(t, err.Error(), "an0ther")
		})
	}
}
