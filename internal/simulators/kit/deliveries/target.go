package deliveries

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

var errPrivateTarget = errors.New("the target is a private address")

// NewTransport makes a transport to the outside, as a vendor has it. Unless private addresses are allowed it
// refuses them, after the name was resolved, so that no name can point inside.
func NewTransport(allowPrivate bool) *http.Transport {
	refuse := func(_, address string, _ syscall.RawConn) error {
		if allowPrivate {
			return nil
		}

		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}

		ip := net.ParseIP(host)
		if ip == nil || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() {
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
