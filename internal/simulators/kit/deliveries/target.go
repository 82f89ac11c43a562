package deliveries

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

var errPrivateTarget = errors.New("the target is a private address")

// NewTransport makes a transport to the outside, as a vendor has it. Unless private addresses are allowed it
// refuses them, after the name was resolved, so that no name can point inside.
func NewTransport(allowPrivate bool) *http.Transport {
	guardian := ssrf.New(ssrf.WithAnyPort())
	refuse := func(network, address string, conn syscall.RawConn) error {
		if !allowPrivate && guardian.Safe(network, address, conn) != nil {
			return errPrivateTarget
		}

		return nil
	}

	return &http.Transport{
		MaxIdleConnsPerHost: maxUnderWay,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, Control: refuse}).DialContext,
	}
}

// checkTarget refuses what no vendor posts to: plain http is for private addresses.
func checkTarget(address string, allowPrivate bool) error {
	target, err := url.Parse(address)
	if err != nil || target.Host == "" || target.Scheme != "https" && !(target.Scheme == "http" && allowPrivate) {
		return errPrivateTarget
	}

	return nil
}
