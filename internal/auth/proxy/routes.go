package proxy

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Prefix starts every path that this package serves.
const Prefix = "/api/auth"

// routes are the calls of Better Auth that a front end needs. Not among them: deleting an account (closing one is
// more than Better Auth knows of), changing the address, JWTs, social sign-in, and everything of the admin plugin.
var routes = map[string]bool{
	"GET /ok":                       true,
	"GET /get-session":              true,
	"GET /list-sessions":            true,
	"GET /verify-email":             true, // a page of ours
	"POST /verify-email":            true,
	"POST /sign-up/email":           true,
	"POST /sign-in/email":           true,
	"POST /sign-out":                true,
	"POST /send-verification-email": true,
	"POST /request-password-reset":  true,
	"POST /reset-password":          true,
	"POST /change-password":         true,
	"POST /revoke-session":          true,
}

// namesAddress are the routes that any caller may ask about any address. What they answer, and when, must not tell
// whether it has an account.
var namesAddress = map[string]bool{
	signUp: true, signIn: true, sendVerify: true, requestReset: true,
}

// resetLink is the path of the link in a password reset mail, which sends the browser on to the
// page that asks for the new password.
var resetLink = regexp.MustCompile(`^/reset-password/[A-Za-z0-9]{8,64}$`)

// Routes lists what passes, as patterns of [http.ServeMux] in order.
func Routes() []string {
	all := []string{http.MethodGet + " " + Prefix + "/reset-password/{token}"}

	for route := range routes {
		method, path, _ := strings.Cut(route, " ")
		all = append(all, method+" "+Prefix+path)
	}

	slices.Sort(all)

	return all
}

// requestHeaders are those that Better Auth reads: for the body, and its own checks of where a request comes from. What says
// whose session it is passes by passCredentials.
var requestHeaders = []string{
	"Accept", "Accept-Language", "Content-Type", "Origin", "Referer",
	"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "User-Agent",
}

// matchRoute returns the path to ask the service for, or "" when r is none of its business.
func matchRoute(r *http.Request) string {
	// RawPath is set when the path is spelled in an unusual way, such as with %2F or %2e.
	path, ok := strings.CutPrefix(r.URL.Path, Prefix)
	if !ok || r.URL.RawPath != "" {
		return ""
	}

	if routes[r.Method+" "+path] || r.Method == http.MethodGet && resetLink.MatchString(path) {
		return Prefix + path
	}

	return ""
}
