package falsim

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"imagerun/internal/simulators/kit/rules"
)

// statusClientClosed is what fal gives a request that its caller cancelled.
const statusClientClosed = 499

// clientGone is the error of a call whose caller went away.
const clientGone = "client_disconnected"

// bigSeed is above 2^53, as in fal's own examples.
const bigSeed int64 = 1 << 57

// outcome is how a request ended: the answer of the result URL.
type outcome struct {
	status    int
	header    map[string]string
	body      []byte
	errorType string // for the status answer; empty: none
	message   string
}

// imageFile is one image of a result. Facts may be absent, as fal's schema allows.
type imageFile struct {
	URL         string `json:"url"`
	ContentType string `json:"content_type,omitempty"`
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
}

// result is the output that the imitated models share.
type result struct {
	Images  []imageFile        `json:"images"`
	Timings map[string]float64 `json:"timings"`
	Seed    int64              `json:"seed"`
	NSFW    []bool             `json:"has_nsfw_concepts"`
	Prompt  string             `json:"prompt"`
}

// decideOutcome works out how a running request ends. The caller holds mu.
func (s *Sim) decideOutcome(r *request) outcome {
	s.count.decided++
	n := s.count.decided

	switch {
	// It was cancelled while it ran, and the knob has it stop.
	case r.cancelled && s.knobs.CancelStops:
		return cancelledOutcome()
	// Its app is there and has no such path.
	case r.model == nil:
		sub := strings.TrimPrefix(r.endpoint, r.app)

		return modelError(http.StatusNotFound, "not_found", map[string]any{"detail": "Path " + sub + " not found"}, false)
	// Its input is refused, as older models write it and as newer ones do.
	case len(r.problems) > 0 && s.knobs.DetailAsString:
		return modelError(http.StatusUnprocessableEntity, r.problems[0].Type, map[string]any{"detail": r.problems[0].Msg}, false)
	case len(r.problems) > 0:
		return modelError(http.StatusUnprocessableEntity, r.problems[0].Type, map[string]any{"detail": r.problems}, false)
	// Its turn to fail has come, written in either way.
	case isNth(n, s.knobs.FailEveryNth) && s.knobs.DetailAsString:
		return modelError(http.StatusInternalServerError, "internal_server_error", map[string]any{"detail": "Internal Server Error"}, true)
	case isNth(n, s.knobs.FailEveryNth):
		p := falProblem("internal_server_error", "An internal server error occurred.", "", nil, nil)
		p.Loc = []any{"body"}

		return modelError(http.StatusInternalServerError, p.Type, map[string]any{"detail": []problem{p}}, true)
	}

	// fal itself has tried it so often that another endpoint takes over.
	if r.tries >= fallbackAfter && !r.noFall {
		o := s.makeResult(r, n, "")
		o.header["X-Fal-Served-From"] = "falsim-fallback"

		return o
	}

	name, end := s.endingFor(n)
	if end.fail != nil {
		return end.fail()
	}

	o := s.makeResult(r, n, name)
	if end.edit != nil && !r.input.syncMode { // whose images are not in the body yet
		o.body = rules.EditJSON(o.body, end.edit)
	}

	return o
}

func (s *Sim) makeResult(r *request, n int64, ending string) outcome {
	in := r.input
	count := in.images

	if isNth(n, s.knobs.FewerEveryNth) || ending == endingFewer {
		count--
	}

	nsfw := in.safety && (strings.Contains(strings.ToLower(in.prompt), "nsfw") || isNth(n, s.knobs.NSFWEveryNth)) || ending == endingNSFW
	res := result{
		Images: []imageFile{}, NSFW: []bool{}, Seed: in.seed, Prompt: in.prompt,
		Timings: map[string]float64{"inference": r.duration.Seconds()},
	}

	if s.knobs.BigSeeds {
		res.Seed |= bigSeed
	}

	for i := range count {
		f := file{
			request: r, format: in.format, pic: in.pictureAt(i, nsfw),
		}
		img := imageFile{URL: s.host.addFile(r, f, i)}

		if in.syncMode {
			img.URL = "data:" + contentType(in.format) + ";base64," // completed when read
		}

		if !s.knobs.OmitImageFacts {
			img.ContentType, img.Width, img.Height = contentType(in.format), in.width, in.height
		}

		res.Images = append(res.Images, img)
		res.NSFW = append(res.NSFW, nsfw)
	}

	units := float64(in.width*in.height) / 1_000_000
	if r.model.roundUp {
		units = math.Ceil(units)
	}

	return outcome{
		status: http.StatusOK, body: encodeJSON(res),
		header: map[string]string{"X-Fal-Billable-Units": strconv.FormatFloat(units*float64(count), 'f', -1, 64)},
	}
}

// pictureAt is the ith picture of a request.
func (in input) pictureAt(i int, black bool) picture {
	return picture{
		subject: in.prompt + "\x00" + in.negative, caption: in.prompt, tint: in.tint,
		seed: in.seed + int64(i), width: in.width, height: in.height, black: black,
	}
}

func modelError(status int, kind string, body any, retryable bool) outcome {
	return outcome{
		status: status, body: encodeJSON(body), errorType: kind, message: "Invalid status code: " + strconv.Itoa(status),
		header: map[string]string{"X-Fal-Retryable": strconv.FormatBool(retryable), "X-Fal-Billable-Units": "0"},
	}
}

// infraError is an error of fal's machinery rather than of a model.
// https://docs.fal.ai/errors (request errors, read 2026-11)
func infraError(status int, kind, detail string) outcome {
	return outcome{
		status: status, errorType: kind, message: detail,
		body:   encodeJSON(map[string]any{"detail": detail, "error_type": kind}),
		header: map[string]string{"X-Fal-Error-Type": kind},
	}
}

// cancelledOutcome is what falsim answers for a cancelled request. fal documents the error type, not
// the body.
func cancelledOutcome() outcome {
	return infraError(statusClientClosed, "client_cancelled", infraText("client_cancelled"))
}

// notStartedOutcome is the end of a request whose start timeout ran out in the queue.
func notStartedOutcome() outcome {
	o := infraError(http.StatusGatewayTimeout, "request_timeout", infraText("request_timeout"))
	o.header["X-Fal-Request-Timeout-Type"] = "user"

	return o
}

func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only our own types get here
	}

	return b
}
