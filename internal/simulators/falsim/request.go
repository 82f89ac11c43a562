package falsim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

// phase is where a request is.
type phase int

const (
	queued phase = iota
	running
	done
)

// request is one accepted submission.
type request struct {
	id        string
	endpoint  string // the full model id
	app       string // owner/app: what the URLs name
	base      string // how the caller reached us
	model     *model // nil: the app has no such path
	input     input
	body      map[string]any // as it was sent, if it may be kept
	problems  []problem      // what the model will refuse
	webhook   string
	gateway   string // id of the present attempt inside fal
	tries     int    // attempts that failed and were repeated
	noRetry   bool
	noFall    bool // no fallback to another endpoint
	low       bool // priority
	storeIO   bool
	lifecycle lifecycle // of its files
	duration  time.Duration
	submitted time.Time
	started   time.Time // zero: not yet
	finished  time.Time // zero: not yet
	phase     phase
	cancelled bool
	erased    bool
	outcome   outcome       // set when done
	over      chan struct{} // closed when done
	paths     []string
}

// setResultHeaders gives the outcome the headers of the result URL.
func (r *request) setResultHeaders(olderShapes bool) {
	if r.outcome.header == nil {
		r.outcome.header = map[string]string{}
	}

	r.outcome.header["X-Fal-Request-Id"] = r.id

	if retry := r.outcome.header["X-Fal-Retryable"]; olderShapes && retry != "" {
		delete(r.outcome.header, "X-Fal-Retryable")
		r.outcome.header["X-Fal-Needs-Retry"] = map[string]string{"true": "1", "false": "0"}[retry]
	}

	if r.outcome.header["X-Fal-Served-From"] == "" {
		r.outcome.header["X-Fal-Served-From"] = "falsim"
	}
}

// resultBody returns the result's body; images of sync mode are painted into it now.
func (r *request) resultBody() []byte {
	if !r.input.syncMode || r.outcome.status != http.StatusOK {
		return r.outcome.body
	}

	var res result
	if err := json.Unmarshal(r.outcome.body, &res); err != nil {
		return r.outcome.body
	}

	for i := range res.Images {
		data, err := r.input.pictureAt(i, res.NSFW[i]).encodeAs(r.input.format)
		if err != nil {
			return r.outcome.body
		}

		res.Images[i].URL += base64.StdEncoding.EncodeToString(data)
	}

	return encodeJSON(res)
}

// expiresAt is when the result goes: 1 hour after completion, 6 minutes if it is 10 KB or more,
// and with payload storage 30 days, unless it is over 1 MB. The knob, in milliseconds, wins if it is turned.
// https://fal.ai/docs/inference-api/queue/result (read 2026-11)
func (r *request) expiresAt(knob int64) time.Time {
	switch {
	case knob > 0:
		return r.finished.Add(fromMillis(knob))
	case r.storeIO && len(r.outcome.body) <= 1_000_000 && !r.input.syncMode:
		return r.finished.AddDate(0, 0, 30)
	case len(r.outcome.body) >= 10_000 || r.input.syncMode:
		return r.finished.Add(6 * time.Minute)
	default:
		return r.finished.Add(time.Hour)
	}
}
