package fal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"imagerun/internal/outbound"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
)

// Poll asks for the status. Its HTTP status is 202 until the request is over, and 200 then;
// the word in the body is what counts.
func (c *Client) Poll(ctx context.Context, t providers.Ticket) (providers.Status, error) {
	re, err := c.readAnswer(ctx, "poll", http.MethodGet, withQuery(c.requestURL(t, t.StatusURL, "/status"), "logs", "1"))

	switch {
	case err != nil:
		return providers.Status{}, err
	case re.Status == http.StatusNotFound:
		return providers.Status{}, newError(providers.Gone, codeExpired, re.Status, re.loggableError())
	case !re.OK():
		return providers.Status{}, readRefusal(re)
	}

	var s struct {
		Status        string          `json:"status"`
		QueuePosition *int            `json:"queue_position"`
		Logs          json.RawMessage `json:"logs"`
	}
	if err := json.Unmarshal(re.Body, &s); err != nil {
		return providers.Status{}, newError(providers.Transient, codeProvider, re.Status, outbound.ErrMalformedReply)
	}

	switch s.Status {
	case "IN_QUEUE":
		return providers.Status{State: providers.StateQueued, QueuePosition: s.QueuePosition}, nil
	case "IN_PROGRESS":
		return providers.Status{State: providers.StateRunning, Progress: parseProgress(s.Logs)}, nil
	case "COMPLETED":
		return providers.Status{State: providers.StateDone}, nil
	default:
		return providers.Status{}, newError(providers.Transient, codeProvider, re.Status, outbound.ErrMalformedReply)
	}
}

// A progress bar as Python's tqdm writes it, which is what the image models log while they
// sample: " 50%|█████     | 4/8 [00:00<00:00]".
var bar = regexp.MustCompile(`(\d{1,3})%\|`)

// parseProgress reads how far a running request is from the newest log line that says so. Logs may be
// missing, null or of another shape: then nothing is known, and nothing is said.
func parseProgress(logs json.RawMessage) *float64 {
	var lines []struct {
		Message string `json:"message"`
	}

	if json.Unmarshal(logs, &lines) != nil {
		return nil
	}

	for _, line := range slices.Backward(lines) {
		found := bar.FindAllStringSubmatch(line.Message, -1)
		if len(found) == 0 {
			continue
		}

		percent, err := strconv.Atoi(found[len(found)-1][1])
		if err != nil || percent > 100 {
			return nil
		}

		return new(float64(percent) / 100)
	}

	return nil
}

// Fetch gets the result, which is the model's own answer with its own status: whether the
// request has failed is known only here.
func (c *Client) Fetch(ctx context.Context, t providers.Ticket) (providers.Result, error) {
	re, err := c.readAnswer(ctx, "fetch", http.MethodGet, c.requestURL(t, t.ResponseURL, ""))

	switch {
	case err != nil:
		return providers.Result{}, err
	case re.Status == http.StatusAccepted:
		return providers.Result{}, newError(providers.NotReady, "", re.Status, nil)
	case !re.OK():
		return providers.Result{}, withUnits(resultRefusal(re), re.billableUnits())
	}

	// A model that made nothing says so in images; an answer without that word is no model's.
	var said struct {
		Images json.RawMessage `json:"images"`
	}

	var out output
	if json.Unmarshal(re.Body, &said) != nil || said.Images == nil || json.Unmarshal(re.Body, &out) != nil {
		return providers.Result{}, newError(providers.Transient, codeProvider, re.Status, outbound.ErrMalformedReply)
	}

	result, err := out.toResult(re.Status)
	result.Units = re.billableUnits()

	return result, withUnits(err, re.billableUnits())
}

// billableUnits are the billable units that a result's header tells; empty: none, or no number.
func (re reply) billableUnits() string {
	if units := re.Header.Get("X-Fal-Billable-Units"); providers.IsUnits(units) {
		return units
	}

	return ""
}

// withUnits adds to a refusal what is charged for it all the same.
func withUnits(err error, units string) error {
	if e, ok := errors.AsType[*providers.Error](err); ok {
		e.Units = units
	}

	return err
}

// resultRefusal sorts an answer of the result URL that is not 2xx. The model's own 5xx is the
// result, and final for this attempt; a gateway's is not. fal's answers carry the request's id,
// a gateway's do not, which is also how fal's Python client tells them apart.
func resultRefusal(re reply) error {
	r := re.parseRefusal()
	fals := re.Header.Get("X-Fal-Request-Id") != "" || len(r.types) > 0

	switch {
	// It is not over yet.
	case r.running:
		return newError(providers.NotReady, "", re.Status, nil)
	// The app has no such path.
	case re.Status == http.StatusNotFound && strings.HasPrefix(r.text, "Path "):
		return newError(providers.Rejected, codeProvider, re.Status, re.loggableError())
	// The result has expired, or was erased.
	case re.Status == http.StatusNotFound:
		return newError(providers.Gone, codeExpired, re.Status, re.loggableError())
	// A gateway answered, or it is about our key or our rate: it says nothing of the request.
	case re.Status >= 500 && !fals,
		re.Status < 400, re.Status == http.StatusUnauthorized, re.Status == http.StatusForbidden,
		re.Status == http.StatusRequestTimeout, re.Status == http.StatusTooManyRequests:
		return readRefusal(re)
	// The model's own error, which is the result.
	default:
		return newError(providers.Rejected, re.failureCode(), re.Status, re.loggableError())
	}
}

// readRefusal sorts an answer that says nothing about the request itself.
func readRefusal(re reply) error {
	class := providers.Transient
	if re.Status == http.StatusUnauthorized || re.Status == http.StatusForbidden {
		class = providers.Account
	}

	return newError(class, codeProvider, re.Status, re.loggableError())
}

// output is what the image models return. Type and size of the images are left unread: they are
// claims, may be missing or of another type, and the bytes tell.
type output struct {
	Images []image         `json:"images"`
	NSFW   []bool          `json:"has_nsfw_concepts"`
	Seed   json.Number     `json:"seed"` // may exceed 2^53
	Prompt json.RawMessage `json:"prompt"`
}

type image struct {
	URL string `json:"url"`
}

func (o output) toResult(status int) (providers.Result, error) {
	var out providers.Result

	for i, img := range o.Images {
		if img.URL != "" {
			out.Images = append(out.Images, providers.Image{URL: img.URL, Blocked: i < len(o.NSFW) && o.NSFW[i]})
		}
	}

	if seed, err := o.Seed.Int64(); err == nil {
		out.Seed = &seed
	}

	var prompt string
	if json.Unmarshal(o.Prompt, &prompt) == nil {
		out.Prompt = redact.NewPersonal(prompt)
	}

	if len(out.Images) == 0 {
		return providers.Result{}, newError(providers.Rejected, codeNoImage, status, nil)
	}

	return out, nil
}

// withQuery adds one parameter to a URL that was looked at before.
func withQuery(raw, name, value string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}

	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()

	return u.String()
}
