package proxy

import (
	"io"
	"net/http"
)

const verifyEmail = Prefix + "/verify-email"

// verifyPage is what the link of a mail opens. Scanners of mail open links too, and prove nothing: only a person
// presses a button. The form goes to the page's own address, so that nothing of it need be written here.
const verifyPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Confirm your address</title>
<h1>Confirm your address</h1>
<p>Press the button if it was you who signed up with this address. Otherwise close this page: nothing happens then.</p>
<form method="post"><button>Confirm my address</button></form>
</html>
`

// serveVerifyPage answers the link of a verification mail. The service does not hear of it.
func serveVerifyPage(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Robots-Tag", "noindex")
	// With none at all a browser calls the form's origin "null", and the edge takes it for another site's.
	h.Set("Referrer-Policy", "same-origin")

	_, _ = io.WriteString(w, verifyPage)
}
