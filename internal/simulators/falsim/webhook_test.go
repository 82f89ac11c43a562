package falsim_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// post is a webhook that came in.
type post struct {
	header http.Header
	body   []byte
}

// receiver answers each webhook with the next of the statuses, and with 200 when there is none.
func receiver(t *testing.T, statuses ...int) (address string, posts chan post) {
	t.Helper()

	posts = make(chan post, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := http.StatusOK

		if n := len(posts); n < len(statuses) {
			status = statuses[n]
		}

		if status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}

		posts <- post{r.Header, body}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)

	return "?fal_webhook=" + url.QueryEscape(server.URL+"/hook/token"), posts
}

func next(t *testing.T, posts chan post) post {
	t.Helper()

	select {
	case p := <-posts:
		return p
	case <-time.After(5 * time.Second):
		t.Fatal("no webhook came")

		return post{}
	}
}

// signedBy reports whether one of the published keys signed the post.
func (b *bundle) signedBy(p post) bool {
	b.t.Helper()

	var set struct {
		Keys []struct{ Kty, Crv, X string }
	}
	require.NoError(b.t, json.Unmarshal(b.do("GET", "/rest/.well-known/jwks.json", "", "Authorization", "").raw, &set))

	sum := sha256.Sum256(p.body)
	text := strings.Join([]string{
		p.header.Get("X-Fal-Webhook-Request-Id"), p.header.Get("X-Fal-Webhook-User-Id"),
		p.header.Get("X-Fal-Webhook-Timestamp"), hex.EncodeToString(sum[:]),
	}, "\n")

	signature, err := hex.DecodeString(p.header.Get("X-Fal-Webhook-Signature"))
	if err != nil {
		return false
	}

	return slices.ContainsFunc(set.Keys, func(k struct{ Kty, Crv, X string }) bool {
		x, err := base64.RawURLEncoding.DecodeString(k.X)

		return err == nil && k.Kty+" "+k.Crv == "OKP Ed25519" && len(x) == ed25519.PublicKeySize && ed25519.Verify(x, []byte(text), signature)
	})
}

// settled waits until every webhook has come to its end, or to waiting for its next try.
func (b *bundle) settled(want ...string) {
	b.t.Helper()

	require.Eventually(b.t, func() bool {
		var got []string
		for _, w := range b.sim.Deliveries() {
			got = append(got, w.State)
		}

		return slices.Equal(want, got)
	}, 5*time.Second, time.Millisecond, "%v", b.sim.Deliveries())
}

func TestWebhook_IsSignedAndTellsTheOutcome(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, UserID: "user_me", AllowPrivateCallbacks: true})
	hook, posts := receiver(t)

	good := b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`)
	require.Equal(t, good["request_id"], good["gateway_request_id"])
	bad := b.submit("fal-ai/flux/dev"+hook, `{}`)

	p := next(t, posts)
	require.True(t, b.signedBy(p))
	require.Equal(t, "application/json", p.header.Get("Content-Type"))

	var body map[string]any
	require.NoError(t, json.Unmarshal(p.body, &body))
	require.Equal(t, bad["request_id"], body["request_id"])
	require.Equal(t, "ERROR", body["status"])
	require.Equal(t, "Invalid status code: 422", body["error"])
	require.Contains(t, body["payload"], "detail")

	b.clock.Move(time.Second)
	b.sim.Tick()

	p = next(t, posts)
	require.True(t, b.signedBy(p))
	require.Equal(t, "user_me", p.header.Get("X-Fal-Webhook-User-Id"))
	require.Equal(t, good["request_id"], p.header.Get("X-Fal-Webhook-Request-Id"))
	require.Equal(t, strconv.FormatInt(b.clock.Now().Unix(), 10), p.header.Get("X-Fal-Webhook-Timestamp"))

	require.NoError(t, json.Unmarshal(p.body, &body))
	require.Equal(t, "OK", body["status"])
	require.Equal(t, body["request_id"], body["gateway_request_id"])

	r := b.do("GET", link(good, "response_url"), "")
	require.Equal(t, r.body, body["payload"])

	p.body = append(p.body, ' ')
	require.False(t, b.signedBy(p))
}

func TestWebhook_IsRetriedUntilItIsTaken(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true})
	hook, posts := receiver(t, 500, 503)
	b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`)

	for range 2 {
		b.clock.Move(2 * time.Second)
		b.sim.Tick()
		b.settled("waiting")
	}

	b.clock.Move(2 * time.Second)
	b.sim.Tick()
	b.settled("delivered")
	require.Len(t, posts, 3)
	first, second := next(t, posts), next(t, posts)
	require.Equal(t, first.body, second.body)
	require.EqualValues(t, 3, b.sim.Stats().WebhooksSent)
}

func TestWebhook_FailsForGoodOnARedirect(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true})
	hook, posts := receiver(t, 307)
	b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`)
	b.clock.Move(time.Second)
	b.sim.Tick()
	b.settled("failed")
	require.Len(t, posts, 1)
}

func TestWebhook_StopsWhenTheResultHasExpired(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true})
	hook, _ := receiver(t, 500, 500)
	b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`, "X-Fal-Store-Io", "0")
	b.clock.Move(time.Second)
	b.sim.Tick()
	b.settled("waiting")
	b.clock.Move(time.Hour)
	b.sim.Tick()
	b.settled("failed")
}

func TestWebhook_IsNotSentInside(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	hook, posts := receiver(t)
	b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`)
	b.submit("fal-ai/flux/dev"+strings.Replace(hook, "http%3A", "https%3A", 1), `{"prompt":"x"}`)
	b.clock.Move(time.Second)
	b.sim.Tick()
	b.settled("dropped", "dropped")
	require.Empty(t, posts)
}

func TestWebhook_IsLostDoubledAndFalsified(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{
		Duration: time.Second, AllowPrivateCallbacks: true,
		Knobs: falsim.Knobs{LoseEveryNth: 3, DoubleEveryNth: 4, ForgeEveryNth: 5, WrongUserEveryNth: 7, StaleEveryNth: 8},
	})
	hook, posts := receiver(t)

	var ids []string
	for range 8 {
		ids = append(ids, link(b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`), "request_id"))
	}

	b.clock.Move(time.Second)
	b.sim.Tick()

	// Numbers 3 and 6 are lost, 4 and 8 come twice.
	by := map[string][]post{}

	for range 8 {
		p := next(t, posts)
		id := p.header.Get("X-Fal-Webhook-Request-Id")
		by[id] = append(by[id], p)
	}

	require.Empty(t, posts)
	require.Empty(t, by[ids[2]])
	require.Empty(t, by[ids[5]])
	require.Len(t, by[ids[3]], 2)
	require.Len(t, by[ids[7]], 2)
	require.True(t, b.signedBy(by[ids[0]][0]))
	require.False(t, b.signedBy(by[ids[4]][0]), "forged")
	require.True(t, b.signedBy(by[ids[6]][0]))
	require.Equal(t, "user_somebody_else", by[ids[6]][0].header.Get("X-Fal-Webhook-User-Id"))
	require.Equal(t, strconv.FormatInt(b.clock.Now().Add(-time.Hour).Unix(), 10), by[ids[7]][0].header.Get("X-Fal-Webhook-Timestamp"))

	s := b.sim.Stats()
	require.Equal(t, []int64{8, 2, 2}, []int64{s.WebhooksDue, s.WebhooksLost, s.WebhooksDoubled})
}

func TestWebhook_ComesByItselfOnTheRealClock(t *testing.T) {
	t.Parallel()

	b := serve(t, falsim.New(falsim.Options{Key: testKey, Seed: 1, Duration: 20 * time.Millisecond, AllowPrivateCallbacks: true}))
	hook, posts := receiver(t)

	for range 50 {
		b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`)
	}

	seen := map[string]bool{}
	for range 50 {
		seen[next(t, posts).header.Get("X-Fal-Webhook-Request-Id")] = true
	}

	require.Len(t, seen, 50)
}

func TestWebhook_CanBeSentByHandAndKeysRotated(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true, Knobs: falsim.Knobs{LoseEveryNth: 1}})
	hook, posts := receiver(t)
	id := link(b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`), "request_id")
	require.Error(t, b.sim.SendWebhook(id, "", "", nil), "it has not finished")
	b.clock.Move(time.Second)

	control := httptest.NewServer(b.sim.Control())
	t.Cleanup(control.Close)

	require.Equal(t, http.StatusAccepted, b.do("POST", control.URL+"/_control/deliveries", `{"event":"`+id+`"}`).status)

	first := next(t, posts)
	require.True(t, b.signedBy(first))
	require.Equal(t, http.StatusAccepted, b.do("POST", control.URL+"/_control/deliveries", `{"event":"`+id+`","fault":"forged"}`).status)
	require.False(t, b.signedBy(next(t, posts)))

	require.Equal(t, http.StatusNoContent, b.do("POST", control.URL+"/_control/keys?keep=true", "").status)
	require.True(t, b.signedBy(first))
	b.sim.RotateKey(false)
	require.False(t, b.signedBy(first))
	require.NoError(t, b.sim.SendWebhook(id, "", "", nil))
	require.True(t, b.signedBy(next(t, posts)))
}
