package falsim

import (
	"fmt"
	"net/http"
	"strings"

	"imagerun/internal/simulators/kit"
)

// gate lets the account's keys in, and refuses others in fal's words.
type gate struct{ kit.Credential }

// authorizeCall reports whether a call may go on to an app. If not, it has been answered.
func (g gate) authorizeCall(w http.ResponseWriter, r *http.Request, app string) bool {
	var detail string

	switch key, standing := g.Check(r); {
	case standing == kit.Anonymous:
		detail = fmt.Sprintf("Cannot access application %q. Authentication is required to access this application.", app)
	case standing == kit.Malformed || !strings.Contains(key, ":"):
		detail = "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."
	case standing == kit.Unknown:
		detail = "No user found for Key ID and Secret"
	default:
		return true
	}

	writeJSON(w, http.StatusUnauthorized, map[string]any{"detail": detail})

	return false
}
