package proxy_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/proxy"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()

	balancers := proxy.ClientAddress{
		Header:  "X-Forwarded-For",
		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
	}

	for name, tc := range map[string]struct {
		c      proxy.ClientAddress
		peer   string
		header []string
		want   string
	}{
		"Direct":            {proxy.ClientAddress{}, "203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		"DirectMapped":      {proxy.ClientAddress{}, "[::ffff:203.0.113.9]:1", nil, "203.0.113.9"},
		"DirectIPv6":        {proxy.ClientAddress{}, "[2001:db8::1%eth0]:1", nil, "2001:db8::1"},
		"NotABalancer":      {balancers, "203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		"Balancer":          {balancers, "10.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		"BalancerIPv6":      {balancers, "[fd00::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		"TwoBalancers":      {balancers, "10.0.0.1:1", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"TwoHeaders":        {balancers, "10.0.0.1:1", []string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9"},
		"SpoofedLeft":       {balancers, "10.0.0.1:1", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		"SpoofedAsBalancer": {balancers, "10.0.0.1:1", []string{"198.51.100.1, 10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		"Rubbish":           {balancers, "10.0.0.1:1", []string{"unknown"}, "10.0.0.1"},
		"RubbishBehind":     {balancers, "10.0.0.1:1", []string{"x, 10.0.0.2"}, "10.0.0.2"},
		"NoHeader":          {balancers, "10.0.0.1:1", nil, "10.0.0.1"},
		"UnixSocket":        {balancers, "@", []string{"203.0.113.9"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{"X-Forwarded-For": tc.header}}
		require.Equal(t, tc.want, tc.c.Of(r).String(), name)
	}
}
