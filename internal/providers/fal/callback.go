package fal

import (
	"encoding/json"
	"slices"
	"strings"

	"imagerun/internal/outbound"
	"imagerun/internal/providers"
)

// keptCallback is all that is kept of a webhook's body: what it takes to collect the images if the
// result has expired. The prompt, and the input that errors echo, are not in it.
type keptCallback struct {
	Status string      `json:"status"`
	Images []image     `json:"images,omitempty"`
	NSFW   []bool      `json:"has_nsfw_concepts,omitempty"`
	Seed   json.Number `json:"seed,omitempty"`
	Errors []string    `json:"errors,omitempty"` // fal's types
}

// reduceCallback reads a webhook's body. It returns the request's id and what may be kept.
func reduceCallback(body []byte) (requestID string, reduced json.RawMessage, err error) {
	var in struct {
		RequestID string          `json:"request_id"`
		Status    string          `json:"status"`
		ErrorType string          `json:"error_type"`
		Payload   json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return "", nil, outbound.ErrMalformedReply
	}

	k := keptCallback{Status: "ERROR"}

	if in.Status == "OK" {
		k.Status = "OK"

		// A payload of any other shape keeps nothing: the result has to be fetched.
		var out output
		if json.Unmarshal(in.Payload, &out) == nil {
			k.Images, k.NSFW, k.Seed = selectLinks(out)
		}
	} else {
		var payload struct {
			Detail    json.RawMessage `json:"detail"`
			ErrorType string          `json:"error_type"`
		}
		if json.Unmarshal(in.Payload, &payload) == nil {
			k.Errors, _ = parseDetails(payload.Detail)
		}

		for _, kind := range []string{in.ErrorType, payload.ErrorType} {
			if outbound.IsWord(kind) && !slices.Contains(k.Errors, kind) {
				k.Errors = append(k.Errors, kind)
			}
		}
	}

	reduced, err = json.Marshal(k)

	return in.RequestID, reduced, err
}

// selectLinks keeps the images that are links, each with its own verdict; a data URI is the image
// itself and has no place in a database.
func selectLinks(o output) (images []image, nsfw []bool, seed json.Number) {
	for i, img := range o.Images {
		if img.URL == "" || strings.HasPrefix(img.URL, "data:") {
			continue
		}

		images = append(images, img)
		nsfw = append(nsfw, i < len(o.NSFW) && o.NSFW[i])
	}

	if _, err := o.Seed.Int64(); err == nil {
		seed = o.Seed
	}

	return images, nsfw, seed
}

// ParseCallback reads the result from a stored callback. One that tells of no image and of no
// error leaves the result to be fetched, and is Gone.
func (c *Client) ParseCallback(body json.RawMessage) (providers.Result, error) {
	var k keptCallback
	if err := json.Unmarshal(body, &k); err != nil {
		return providers.Result{}, newError(providers.Gone, codeExpired, 0, outbound.ErrMalformedReply)
	}

	if k.Status != "OK" {
		code := codeOfTypes(k.Errors)

		switch {
		case code == "" && len(k.Errors) > 0: // every other type is about the input
			code = codeInvalid
		case code == "":
			code = codeProvider
		}

		return providers.Result{}, newError(providers.Rejected, code, 0, nil)
	}

	if len(k.Images) == 0 {
		return providers.Result{}, newError(providers.Gone, codeExpired, 0, nil)
	}

	return output{Images: k.Images, NSFW: k.NSFW, Seed: k.Seed}.toResult(0)
}
