package fal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"imagerun/internal/providers"
)

// The failure codes that this provider can tell, from the closed list of internal/generation.
const (
	codePrompt   = "prompt_rejected"
	codeInvalid  = "invalid_request"
	codeRef      = "reference_rejected"
	codeProvider = "provider_error"
	codeTimeout  = "generation_timeout"
	codeNoImage  = "no_image"
	codeExpired  = "result_expired"
)

// statusClientClosed is fal's status for a request that its caller gave up.
const statusClientClosed = 499

// What goes wrong without an answer, in words that name nobody and nothing.
var (
	errAddress  = errors.New("address is not valid")
	errTimeout  = errors.New("no answer in time")
	errNoHost   = errors.New("host name not found")
	errCut      = errors.New("answer was cut off")
	errTooLong  = errors.New("answer is too long")
	errNonsense = errors.New("answer makes no sense")
	errPrivate  = errors.New("host has a private address")
	errHost     = errors.New("host is not allowed")
	errStalled  = errors.New("download stalled")
	errKept     = errors.New("a file could not be deleted")
)

func fail(class providers.Class, code string, status int, cause error) error {
	return &providers.Error{Class: class, Code: code, Status: status, Cause: cause}
}

// plain replaces an error of net/http, whose text has the URL in it, by one that has not.
func plain(err error) error {
	var (
		dns     *net.DNSError
		timeout net.Error
	)

	for _, known := range []error{
		errPrivate, errTooLong, errStalled, context.Canceled,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, known) {
			return known
		}
	}

	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return errTimeout
	case errors.As(err, &dns):
		return errNoHost
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	default:
		for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(next) {
			err = next
		}

		return fmt.Errorf("no connection (%T)", err)
	}
}

// refusal is what an error's body says: the types of its details, and whether it is known to
// be about the prompt or about time. Its texts echo the input and are not kept.
type refusal struct {
	types   []string
	text    string // a detail that is a sentence; only to be matched
	running bool
}

// parse reads the three shapes of fal's errors: a list of details, a sentence, and a sentence
// with an error_type; the latter is also in a header. https://docs.fal.ai/errors
func (re reply) parse() refusal {
	var (
		out  refusal
		body struct {
			Detail    json.RawMessage `json:"detail"`
			ErrorType string          `json:"error_type"`
		}
	)

	if json.Unmarshal(re.body, &body) == nil {
		out.types, out.text = details(body.Detail)
	}

	for _, kind := range []string{body.ErrorType, re.header.Get("X-Fal-Error-Type")} {
		if isWord(kind) && !slices.Contains(out.types, kind) {
			out.types = append(out.types, kind)
		}
	}

	out.running = re.status == http.StatusBadRequest && len(out.types) == 0 && strings.Contains(out.text, "still in progress")

	return out
}

// details reads a detail that is a string or an array.
func details(raw json.RawMessage) (types []string, text string) {
	var list []struct {
		Type string `json:"type"`
	}

	if json.Unmarshal(raw, &text) != nil && json.Unmarshal(raw, &list) == nil {
		for _, d := range list {
			if isWord(d.Type) && !slices.Contains(types, d.Type) && len(types) < 8 {
				types = append(types, d.Type)
			}
		}
	}

	return types, text
}

// isWord tells a type, such as "value_error.missing", from anything else that may have been
// put in its place.
func isWord(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
}

// cause is the answer as it may stand in a log.
func (re reply) cause() error {
	types := re.parse().types
	if len(types) == 0 {
		return fmt.Errorf("status %d", re.status)
	}

	return fmt.Errorf("status %d: %s", re.status, strings.Join(types, ", "))
}

// code maps the answer to the closed list.
func (re reply) code() string {
	r := re.parse()
	if code := codeOf(r.types); code != "" {
		return code
	}

	switch {
	case strings.Contains(r.text, "flagged by a content checker"):
		return codePrompt
	case re.status == http.StatusGatewayTimeout:
		return codeTimeout
	case re.status == http.StatusBadRequest, re.status == http.StatusUnprocessableEntity, re.status == http.StatusRequestEntityTooLarge:
		return codeInvalid
	default:
		return codeProvider
	}
}

// codeOf maps the types of fal's errors; empty: none of them says enough by itself.
func codeOf(types []string) string {
	for _, kind := range types {
		switch kind {
		case "content_policy_violation":
			return codePrompt
		case "image_load_error", "file_download_error", "image_too_small", "image_too_large", "file_too_large",
			"unsupported_image_format", "face_detection_error":
			return codeRef
		case "no_media_generated":
			return codeNoImage
		case "generation_timeout", "request_timeout", "startup_timeout":
			return codeTimeout
		case "internal_server_error", "downstream_service_error", "downstream_service_unavailable",
			"runner_scheduling_failure", "runner_connection_timeout", "runner_disconnected", "runner_connection_refused",
			"runner_connection_error", "runner_incomplete_response", "runner_server_error", "client_disconnected",
			"client_cancelled", "internal_error":
			return codeProvider
		}
	}

	return ""
}
