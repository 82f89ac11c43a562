package outbound

import (
	"syscall"

	"code.dny.dev/ssrf"
)

// publicOnly returns a [net.Dialer] Control that runs for each address just before it is dialled, so neither a name that
// points inside nor one that changes its mind gets through. What it refuses is in IANA's registries of special addresses.
// Ports are the business of the caller, which allows hosts.
func publicOnly() func(network, address string, conn syscall.RawConn) error {
	guardian := ssrf.New(ssrf.WithAnyPort())

	return func(network, address string, conn syscall.RawConn) error {
		if guardian.Safe(network, address, conn) != nil { // its text has the address
			return ErrPrivateAddress
		}

		return nil
	}
}
