package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/redact"
	"imagerun/internal/telemetry"
)

func TestNewLogger(t *testing.T) {
	t.Parallel()

	t.Run("JSON", func(t *testing.T) {
		t.Parallel()

		var out bytes.Buffer

		log, level, err := telemetry.NewLogger(&out, telemetry.LogOptions{Level: "warn", Process: "api", Version: "abc"})
		require.NoError(t, err)

		log.Info("not written")
		require.Empty(t, out.String())

		level.Set(slog.LevelInfo)
		log.Info("job finished", slog.Int("attempt", 2))

		var line map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &line))
		require.Equal(t, "job finished", line["msg"])
		require.Equal(t, "INFO", line["level"])
		require.Equal(t, "api", line["process"])
		require.Equal(t, "abc", line["version"])
		require.InDelta(t, 2, line["attempt"], 0)
	})

	t.Run("Refusals", func(t *testing.T) {
		t.Parallel()

		_, _, err := telemetry.NewLogger(new(bytes.Buffer), telemetry.LogOptions{Level: "loud"})
		require.ErrorContains(t, err, "log level")

		_, _, err = telemetry.NewLogger(new(bytes.Buffer), telemetry.LogOptions{Format: "xml"})
		require.ErrorContains(t, err, "json or text")
	})
}

// Whatever a library put into an error, and however it is logged, these never show.
func TestNewLogger_HidesSecrets(t *testing.T) {
	t.Parallel()

	const canary = "c4n4ry"

	link, err := url.Parse("https://bucket.example/u/" + canary + "?X-Amz-Signature=" + canary)
	require.NoError(t, err)

	values := map[string]any{
		"secret":   redact.NewSecret(canary),
		"personal": redact.NewPersonal(canary),
		"pointer":  &struct{ Key redact.Secret }{redact.NewSecret(canary)},
		"struct":   struct{ Key redact.Secret }{redact.NewSecret(canary)},
		"error":    fmt.Errorf("dial postgres://app:%s@db:5432/imagerun: %w", canary, errors.New("refused")),
		"get":      &url.Error{Op: "Get", URL: link.String(), Err: errors.New("EOF")},
		"text":     "see https://" + canary + ":x@host/ and rediss://:" + canary + "@redis:6379/0.",
		"link":     link,
		"list":     []string{link.String()},
		"email":    errors.New("duplicate key (email)=(" + canary + "@mail.example)"),
		"broken":   "http://a b%zz://" + canary + "%zz",
		"joined":   errors.Join(errors.New("first"), errors.New(link.String())),
	}

	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer

		log, _, err := telemetry.NewLogger(&out, telemetry.LogOptions{Format: format})
		require.NoError(t, err)

		for name, v := range values {
			out.Reset()
			log.Warn("happened", slog.Group("group", slog.Any(name, v)))
			require.NotContains(t, out.String(), canary, "%s as %s", name, format)
			require.Contains(t, out.String(), redact.Mask, "%s as %s", name, format)
		}
	}
}

func TestScrub_KeepsWhatIsHarmless(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"", "generation stored", "listening at http://127.0.0.1:8080", "attempt 3 of 5", "user@host without a domain"} {
		require.Equal(t, text, telemetry.Scrub(text))
	}

	require.Equal(t, `Get "https://fal.media/[redacted]": EOF`, telemetry.Scrub(`Get "https://fal.media/files/x.png?y": EOF`))
}

func TestNewRegistry(t *testing.T) {
	t.Parallel()

	families, err := telemetry.NewRegistry("worker", "abc").Gather()
	require.NoError(t, err)

	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}

	require.True(t, names["imagerun_build_info"] && names["go_goroutines"] && names["process_open_fds"])
}

func TestVersion(t *testing.T) {
	t.Parallel()

	require.NotEmpty(t, telemetry.Version())
}

func TestHealth(t *testing.T) {
	t.Parallel()

	working := func(context.Context) error { return nil }
	setup := func() (*telemetry.Health, *bytes.Buffer) {
		out := new(bytes.Buffer)

		return telemetry.NewHealth(slog.New(slog.NewTextHandler(out, nil)), 0), out
	}

	t.Run("ReadyWithoutChecks", func(t *testing.T) {
		t.Parallel()

		health, _ := setup()
		require.Equal(t, telemetry.Ready, health.Report(t.Context()).State)
	})

	t.Run("NamesWhatFailsAndSaysWhyOnlyInTheLog", func(t *testing.T) {
		t.Parallel()

		health, out := setup()
		health.Add("postgres", working)
		health.Add("redis", func(context.Context) error { return errors.New("user app at 10.0.0.7 refused") })

		require.Equal(t, telemetry.Report{State: telemetry.NotReady, Checks: map[string]string{
			"postgres": "ok", "redis": "does not work: the log of this process says why",
		}}, health.Report(t.Context()))
		require.Contains(t, out.String(), "10.0.0.7")
	})

	t.Run("DegradedWhileAMinorOneFails", func(t *testing.T) {
		t.Parallel()

		health, _ := setup()
		health.Add("postgres", working)
		health.AddMinor("storage", func(context.Context) error { return telemetry.CheckError("is away") })

		report := health.Report(t.Context())
		require.Equal(t, telemetry.Report{State: telemetry.Degraded, Checks: map[string]string{"postgres": "ok", "storage": "is away"}}, report)
		require.True(t, report.State.WantsWork())

		both, _ := setup()
		both.Add("postgres", func(context.Context) error { return telemetry.CheckError("is away") })
		both.AddMinor("storage", func(context.Context) error { return telemetry.CheckError("is away") })
		require.Equal(t, telemetry.NotReady, both.Report(t.Context()).State)
		require.False(t, both.Report(t.Context()).State.WantsWork())
	})

	t.Run("DoesNotWaitForTheSlow", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			health, _ := setup()
			start := time.Now()
			forever := make(chan struct{})

			health.Add("deaf", func(context.Context) error { <-forever; return nil })
			health.Add("slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			health.Add("postgres", working)

			require.Equal(t, telemetry.Report{State: telemetry.NotReady, Checks: map[string]string{
				"deaf": "did not answer within 2s", "slow": "did not answer within 2s", "postgres": "ok",
			}}, health.Report(t.Context()))
			require.Equal(t, 2*time.Second, time.Since(start))
			close(forever)
		})
	})

	t.Run("AsksAtMostOnceASecondAndRecovers", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			health, out := setup()

			var asked atomic.Int64

			health.Add("postgres", func(context.Context) error {
				if asked.Add(1) == 1 {
					return errors.New("refused")
				}

				return nil
			})

			for range 10 {
				require.Equal(t, telemetry.NotReady, health.Report(t.Context()).State)
			}

			require.EqualValues(t, 1, asked.Load())
			require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("readiness check failed")))

			<-time.After(time.Second)
			require.Equal(t, telemetry.Ready, health.Report(t.Context()).State)
			require.Contains(t, out.String(), "readiness check recovered")
		})
	})

	t.Run("ACallerWhoLeavesSpoilsNothing", func(t *testing.T) {
		t.Parallel()

		health, _ := setup()
		health.Add("postgres", func(ctx context.Context) error { return ctx.Err() })

		gone, leave := context.WithCancel(t.Context())
		leave()
		require.Equal(t, telemetry.Ready, health.Report(gone).State)
	})

	t.Run("Draining", func(t *testing.T) {
		t.Parallel()

		health, _ := setup()
		health.Add("postgres", working)
		health.Drain()
		require.Equal(t, telemetry.Draining, health.Report(t.Context()).State)
	})
}
