package falsim

import "net/http"

// modelErrorKind is an error that a model writes.
type modelErrorKind struct {
	kind   string
	status int
	msg    string
	field  string         // of the input; empty: the whole of it
	ctx    map[string]any // what the message is about
	retry  bool           // X-Fal-Retryable
}

// modelErrors lists the types of model errors that can concern an image.
// https://docs.fal.ai/errors (read 2026-11)
func modelErrors() []modelErrorKind {
	const (
		refused = http.StatusUnprocessableEntity
		failed  = http.StatusInternalServerError
	)

	return []modelErrorKind{
		{"content_policy_violation", refused, policyText, "prompt", map[string]any{}, false},
		{"no_media_generated", refused, "No media was generated.", "prompt", nil, false},
		{"image_too_small", refused, "Image too small", "image_url", map[string]any{"min_height": 64, "min_width": 64}, false},
		{"image_too_large", refused, "Image too large", "image_url", map[string]any{"max_height": 4096, "max_width": 4096}, false},
		{"image_load_error", refused, loadText, "image_url", nil, false},
		{"file_download_error", refused, downloadText, "image_url", nil, false},
		{"face_detection_error", refused, "Could not detect a face in the image.", "image_url", nil, false},
		{"file_too_large", refused, "File too large", "image_url", map[string]any{"max_size": maxReference}, false},
		{"greater_than", refused, "Input should be greater than 0", "image_size", map[string]any{"gt": 0}, false},
		{"greater_than_equal", refused, "Input should be greater than or equal to 1", "num_images", map[string]any{"ge": 1}, false},
		{"less_than", refused, "Input should be less than 5", "num_images", map[string]any{"lt": 5}, false},
		{"less_than_equal", refused, "Input should be less than or equal to 4", "num_images", map[string]any{"le": 4}, false},
		{"multiple_of", refused, "Input should be a multiple of 8", "image_size", map[string]any{"multiple_of": 8}, false},
		{"sequence_too_short", refused, "Input should have at least 1 item", "prompt", map[string]any{"min_length": 1}, false},
		{"sequence_too_long", refused, "Input should have at most 2000 items", "prompt", map[string]any{"max_length": 2000}, false},
		{"one_of", refused, "Input should be one of the permitted values", "output_format", map[string]any{"expected": []string{"jpeg", "png"}}, false},
		{"feature_not_supported", refused, "This feature is not supported.", "", nil, false},
		{"unsupported_image_format", refused, "Unsupported image format", "image_url", map[string]any{"supported_formats": referenceFormats()}, false},
		{"internal_server_error", failed, "An internal server error occurred.", "", nil, true},
		{"generation_timeout", http.StatusGatewayTimeout, "The generation timed out.", "", nil, true},
		{"downstream_service_error", http.StatusBadRequest, "A downstream service refused the request.", "", nil, false},
		{"downstream_service_unavailable", failed, "A downstream service is unavailable.", "", nil, true},
	}
}

const (
	policyText   = "The content could not be processed because it contained material flagged by a content checker."
	loadText     = "Failed to load the image."
	downloadText = "Failed to download the file. Please check if the URL is accessible and try again."
)

// infraErrors are the errors of fal's machinery with their statuses.
// https://docs.fal.ai/errors (request errors, read 2026-11)
func infraErrors() map[string]int {
	return map[string]int{
		"request_timeout":            http.StatusGatewayTimeout,
		"startup_timeout":            http.StatusGatewayTimeout,
		"runner_scheduling_failure":  http.StatusServiceUnavailable,
		"runner_connection_timeout":  http.StatusServiceUnavailable,
		"runner_disconnected":        http.StatusServiceUnavailable,
		"runner_connection_refused":  http.StatusServiceUnavailable,
		"runner_connection_error":    http.StatusServiceUnavailable,
		"runner_incomplete_response": http.StatusBadGateway,
		"runner_server_error":        http.StatusInternalServerError,
		clientGone:                   statusClientClosed,
		"client_cancelled":           statusClientClosed,
		"bad_request":                http.StatusBadRequest,
		"internal_error":             http.StatusInternalServerError,
	}
}

// infraText is the sentence of such an error.
func infraText(kind string) string {
	known := map[string]string{
		"request_timeout":           "Request timed out",
		"startup_timeout":           "Runner startup timed out",
		"runner_scheduling_failure": "No runner could be scheduled",
		"client_cancelled":          "Request was cancelled by the client",
		clientGone:                  "The client disconnected",
		"bad_request":               "Bad request",
		"internal_error":            "Internal error",
	}
	if text, ok := known[kind]; ok {
		return text
	}

	return "The runner did not complete the request"
}
