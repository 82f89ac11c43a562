package outbound

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Reply is a complete answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// OK reports whether the status is a success.
func (re Reply) OK() bool { return re.Status >= 200 && re.Status < 300 }

// Decode reads the body, which is JSON. What is not is [ErrMalformedReply]: the call was answered, and it is not known how.
func (re Reply) Decode(into any) error {
	if err := json.Unmarshal(re.Body, into); err != nil {
		return &Error{Sent: Answered, Status: re.Status, cause: ErrMalformedReply}
	}

	return nil
}

// AsError is the answer as it may stand in a log: its status, and what the vendor calls its reasons, as far as each [IsWord].
func (re Reply) AsError(reasons ...string) error {
	text := fmt.Sprintf("status %d", re.Status)

	if words := slices.DeleteFunc(slices.Clone(reasons), func(r string) bool { return !IsWord(r) }); len(words) > 0 {
		text += ": " + strings.Join(words, ", ")
	}

	return &Error{Sent: Answered, Status: re.Status, cause: statusError(text)}
}

// statusError is the text of an answer that is a refusal.
type statusError string

func (e statusError) Error() string { return string(e) }

// IsWord tells a vendor's word for a reason, such as "value_error.missing", from anything else that may have been put in
// its place: a sentence, an address, what was sent.
func IsWord(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
}
