package fal

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"imagerun/internal/outbound"
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

// What goes wrong beside the call itself, in words that name no person and no address.
var (
	errHost       = errors.New("host is not allowed")
	errNotDeleted = errors.New("a file could not be deleted")
)

func newError(class providers.Class, code string, status int, cause error) error {
	return &providers.Error{Class: class, Code: code, Status: status, Cause: cause}
}

// newCallError is newError of a call without a complete answer: of one that was cut off the status is known.
func newCallError(class providers.Class, code string, cause error) error {
	status := 0
	if e, ok := errors.AsType[*outbound.Error](cause); ok {
		status = e.Status
	}

	return newError(class, code, status, cause)
}

// reply is a complete answer of fal's.
type reply struct{ outbound.Reply }

// refusal is what an error's body says: the types of its details, and whether it is known to
// be about the prompt or about time. Its texts echo the input and are not kept.
type refusal struct {
	types   []string
	text    string // a detail that is a sentence; only to be matched
	running bool
}

// parseRefusal reads the three shapes of fal's errors: a list of details, a sentence, and a sentence
// with an error_type; the latter is also in a header. https://docs.fal.ai/errors
func (re reply) parseRefusal() refusal {
	var (
		out  refusal
		body struct {
			Detail    json.RawMessage `json:"detail"`
			ErrorType string          `json:"error_type"`
		}
	)

	if json.Unmarshal(re.Body, &body) == nil {
		out.types, out.text = parseDetails(body.Detail)
	}

	for _, kind := range []string{body.ErrorType, re.Header.Get("X-Fal-Error-Type")} {
		if outbound.IsWord(kind) && !slices.Contains(out.types, kind) {
			out.types = append(out.types, kind)
		}
	}

	out.running = re.Status == http.StatusBadRequest && len(out.types) == 0 && strings.Contains(out.text, "still in progress")

	return out
}

// parseDetails reads a detail that is a string or an array.
func parseDetails(raw json.RawMessage) (types []string, text string) {
	var list []struct {
		Type string `json:"type"`
	}

	if json.Unmarshal(raw, &text) != nil && json.Unmarshal(raw, &list) == nil {
		for _, d := range list {
			if outbound.IsWord(d.Type) && !slices.Contains(types, d.Type) && len(types) < 8 {
				types = append(types, d.Type)
			}
		}
	}

	return types, text
}

// loggableError is the answer as it may stand in a log.
func (re reply) loggableError() error { return re.AsError(re.parseRefusal().types...) }

// failureCode maps the answer to the closed list.
func (re reply) failureCode() string {
	r := re.parseRefusal()
	if code := codeOfTypes(r.types); code != "" {
		return code
	}

	switch {
	case strings.Contains(r.text, "flagged by a content checker"):
		return codePrompt
	case re.Status == http.StatusGatewayTimeout:
		return codeTimeout
	case re.Status == http.StatusBadRequest, re.Status == http.StatusUnprocessableEntity, re.Status == http.StatusRequestEntityTooLarge:
		return codeInvalid
	default:
		return codeProvider
	}
}

// codeOfTypes maps the types of fal's errors; empty: none of them says enough by itself.
func codeOfTypes(types []string) string {
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
