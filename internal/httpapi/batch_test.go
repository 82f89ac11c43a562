package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
	"imagerun/internal/plan"
)

const batchPath = "/v1/generations/batch"

// batchOf is the body of a batch of requests, with the keys k0, k1 and so on.
func batchOf(requests ...string) string {
	items := make([]string, len(requests))
	for i, r := range requests {
		items[i] = fmt.Sprintf(`{"idempotency_key":"k%d","request":%s}`, i, r)
	}

	return `{"items":[` + strings.Join(items, ",") + `]}`
}

// takeAll accepts whatever comes, and returns what came.
func takeAll(b *bundle) *[]generation.Submission {
	var got []generation.Submission

	b.many = func(_ uuid.UUID, subs []generation.Submission) []generation.Outcome {
		got = append(got, subs...)

		outcomes := make([]generation.Outcome, len(subs))
		for i, s := range subs {
			outcomes[i].Generation = sample(generation.StatusQueued, 1)
			if b.known[s.IdempotencyKey] {
				outcomes[i].Replay = &idempotency.Record{Status: http.StatusAccepted}
			}
		}

		return outcomes
	}

	return &got
}

func TestBatch(t *testing.T) {
	t.Parallel()

	sent := func(t *testing.T, b *bundle, body string) httpapi.BatchResultList {
		t.Helper()

		w := b.do("POST", batchPath, body)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		contractOf(t).requireConforms(t, "200", "post", batchPath, w)

		return decode[httpapi.BatchResultList](t, w)
	}

	t.Run("EachIsWhatItWouldBeAlone", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		got := takeAll(b)
		list := sent(t, b, batchOf(smallest, `{"model":"m","prompt":"p","seed":1e2,"quality":null,"metadata":{"b":"2","a":"1"}}`))

		require.Zero(t, list.Refused)
		require.Len(t, list.Data, 2)
		require.Equal(t, []int{0, 1}, []int{list.Data[0].Index, list.Data[1].Index})
		require.Equal(t, []int{202, 202}, []int{list.Data[0].Status, list.Data[1].Status})
		require.Equal(t, sampleID, list.Data[1].Generation.ID)

		var alone generation.Submission

		b.submit = func(s generation.Submission) (generation.Generation, *idempotency.Record, error) {
			alone = s

			return sample(generation.StatusQueued, 1), nil, nil
		}
		b.do("POST", "/v1/generations", `{"model":"m","prompt":"p","seed":100,"metadata":{"a":"1","b":"2"}}`, "Idempotency-Key", `"k1"`)
		require.Equal(t, alone, (*got)[1], "so that one may be repeated as the other")
	})

	t.Run("OneThatIsWrongStopsNoOther", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		got := takeAll(b)
		list := sent(t, b, `{"items":[
			{"idempotency_key":"a","request":{"model":"m","prompt":"p"}},
			{"idempotency_key":"b b","request":{"model":"m","prompt":"p"}},
			{"idempotency_key":"c","request":{"model":"m","prompt":"p","metadata":{"x y":"1"},"num_images":9}},
			5,
			{"idempotency_key":"e","request":{"model":"m","prompt":"p\u0000"}},
			{"request":{"model":"m","prompt":"p"}},
			{"idempotency_key":"g","request":{"model":"m","prompt":"p","reference":{"upload_id":"upl_1"}},"more":1},
			{"idempotency_key":"h","request":{"model":"m","prompt":"p"}}]}`)

		require.Equal(t, 6, list.Refused)
		require.Len(t, *got, 2)

		want := map[int][]string{
			1: {"#/items/1/idempotency_key pattern"},
			2: {"#/items/2/request/metadata propertyNames", "#/items/2/request/num_images maximum"},
			3: {"#/items/3 type"},
			4: {"#/items/4/request/prompt pattern"},
			5: {"#/items/5/idempotency_key required"},
			6: {"#/items/6/more additionalProperties", "#/items/6/request/reference/upload_id pattern"},
		}

		for i, r := range list.Data {
			require.Equal(t, i, r.Index)

			if want[i] == nil {
				require.NotNil(t, r.Generation, i)
				require.Nil(t, r.Problem, i)

				continue
			}

			require.Equal(t, http.StatusUnprocessableEntity, r.Status)
			require.Nil(t, r.Generation)
			require.Equal(t, want[i], pointers(*r.Problem))
		}
	})

	t.Run("RefusedByTheDomain", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.many = func(_ uuid.UUID, subs []generation.Submission) []generation.Outcome {
			require.Len(t, subs, 4)

			return []generation.Outcome{
				{Err: &credits.ShortfallError{Required: 10, Available: 3}},
				{Err: generation.ErrPlanForbids.WithFields(fault.Field{Pointer: "#/num_images", Keyword: "plan", Detail: "Less."})},
				{Err: fmt.Errorf("the database said %s", canary)},
				{Accepted: generation.Accepted{Generation: sample(generation.StatusQueued, 1)}},
			}
		}

		list := sent(t, b, batchOf(smallest, smallest, smallest, smallest))
		require.Equal(t, []int{402, 403, 500, 202}, []int{list.Data[0].Status, list.Data[1].Status, list.Data[2].Status, list.Data[3].Status})
		require.EqualValues(t, 10, *list.Data[0].Problem.Required)
		require.Equal(t, []string{"#/items/1/request/num_images plan"}, pointers(*list.Data[1].Problem))
		require.NotContains(t, list.Data[2].Problem.Detail, canary)
		require.Equal(t, 3, list.Refused)
	})

	// Each is a submission; those beyond the limit are refused by themselves, and repeats are none.
	t.Run("EachCounts", func(t *testing.T) {
		t.Parallel()

		b := setup(t) // ten at once, by the plan
		b.known = map[string]bool{"k0": true, "k3": true}
		got := takeAll(b)

		requests := make([]string, 14)
		for i := range requests {
			requests[i] = smallest
		}

		w := b.do("POST", batchPath, batchOf(requests...))
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		requireLimits(t, w, `"requests";q=300;w=60, "submissions";q=10;w=20`, `"requests";r=299;t=1, "submissions";r=0;t=2`)

		list := decode[httpapi.BatchResultList](t, w)
		require.Len(t, *got, 12)
		require.Equal(t, 2, list.Refused)
		require.True(t, list.Data[0].Replayed && list.Data[3].Replayed)

		for _, r := range list.Data[12:] {
			require.Equal(t, http.StatusTooManyRequests, r.Status)
			require.EqualValues(t, "rate_limited", r.Problem.Code)
			require.Equal(t, []string{"submissions"}, r.Problem.ViolatedPolicies)
			require.Equal(t, 2, *r.Problem.RetryAfter)
			require.True(t, r.Problem.Retryable)
		}
	})

	t.Run("RefusedAsAWhole", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		require.Equal(t, []string{"#/items minItems"}, pointers(requireCode(t, b.do("POST", batchPath, `{"items":[]}`), 422, "validation_failed")))
		require.Equal(t, []string{"#/items required"}, pointers(requireCode(t, b.do("POST", batchPath, `{}`), 422, "validation_failed")))

		requests := make([]string, 101)
		for i := range requests {
			requests[i] = smallest
		}

		require.Equal(t, []string{"#/items maxItems"}, pointers(requireCode(t, b.do("POST", batchPath, batchOf(requests...)), 422, "validation_failed")))
		require.Contains(t, pointers(requireCode(t, b.do("POST", batchPath, `{"more":1,"items":[{}]}`), 422, "validation_failed")), "#/more additionalProperties")
		requireCode(t, b.do("POST", batchPath, batchOf(smallest), "Authorization", "Bearer reader"), 403, "insufficient_scope")
		require.Empty(t, b.calls())
	})

	// 256 KiB are taken, and not a byte more; other routes take what they took.
	t.Run("Body", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.limits.rates = map[uuid.UUID]plan.Rate{alice: {Requests: 300, Submissions: 3000}}
		takeAll(b)

		requests := make([]string, 32)
		for i := range requests {
			requests[i] = fmt.Sprintf(`{"model":"m","prompt":%q}`, strings.Repeat("fox ", 2000))
		}

		body := batchOf(requests...)
		body += strings.Repeat(" ", 256<<10-len(body))
		require.Zero(t, sent(t, b, body).Refused)

		p := requireCode(t, b.do("POST", batchPath, body+" "), 413, "body_too_large")
		require.Contains(t, p.Detail, "256 KiB")

		p = requireCode(t, b.do("POST", "/v1/generations", body), 413, "body_too_large")
		require.Contains(t, p.Detail, "64 KiB")
	})

	t.Run("OutageIsOfTheWhole", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.many = func(_ uuid.UUID, subs []generation.Submission) []generation.Outcome {
			outcomes := make([]generation.Outcome, len(subs))
			for i := range outcomes {
				outcomes[i].Err = errUnavailable
			}

			return outcomes
		}

		w := b.do("POST", batchPath, batchOf(smallest, smallest))
		p := requireCode(t, w, 503, "auth_unavailable")
		require.Equal(t, 2, *p.RetryAfter)
		require.Equal(t, "2", w.Header().Get("Retry-After"))
	})

	// A hundred requests that are all wrong are judged soon.
	t.Run("ManyWrong", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.many = func(uuid.UUID, []generation.Submission) []generation.Outcome { return nil }
		requests := make([]string, 100)

		for i := range requests {
			wrong := map[string]any{"model": "m", "prompt": "p"}
			for n := range 100 {
				wrong[fmt.Sprintf("field%d", n)] = n
			}

			text, err := json.Marshal(wrong)
			require.NoError(t, err)

			requests[i] = string(text)
		}

		began := time.Now()
		list := sent(t, b, batchOf(requests...))
		require.Equal(t, 100, list.Refused)
		require.Len(t, list.Data[99].Problem.Errors, 20)
		require.Less(t, time.Since(began), 4*time.Second)
	})
}
