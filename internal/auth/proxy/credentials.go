package proxy

import (
	"net/http"
	"strings"
)

// passCredentials has the service judge a session by what internal/auth judges it by: an Authorization header decides alone,
// of several none is believed, nor is a cookie that came twice. Better Auth would take one of the two cookies, and look
// for a cookie where the header is wrong.
func passCredentials(in, out *http.Request) {
	if headers := in.Header.Values("Authorization"); len(headers) > 0 {
		scheme, token, _ := strings.Cut(headers[0], " ")
		if token = strings.TrimLeft(token, " "); len(headers) == 1 && token != "" && strings.EqualFold(scheme, "Bearer") {
			out.Header.Set("Authorization", "Bearer "+token)
		}

		return
	}

	for _, c := range in.Cookies() {
		if len(in.CookiesNamed(c.Name)) == 1 {
			out.AddCookie(c)
		}
	}
}
