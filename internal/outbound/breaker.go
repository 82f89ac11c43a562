package outbound

import (
	"context"
	"errors"
	"net/http"

	"github.com/sony/gobreaker/v2"
)

// newBreaker makes the breaker that the options ask for, or none.
func newBreaker(o Options) *gobreaker.CircuitBreaker[Reply] {
	if o.BreakAfter == 0 {
		return nil
	}

	return gobreaker.NewCircuitBreaker[Reply](gobreaker.Settings{
		Name:        o.Vendor,
		Timeout:     o.BreakFor,
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= o.BreakAfter },
		OnStateChange: func(vendor string, _, to gobreaker.State) {
			o.Metrics.setBreakerOpen(vendor, to != gobreaker.StateClosed)
		},
		// Neither a caller that leaves nor an address of its choice is the vendor's failure.
		IsExcluded: func(err error) bool {
			return errors.Is(err, context.Canceled) || errors.Is(err, ErrAddress) || errors.Is(err, ErrPrivateAddress)
		},
	})
}

// throughBreaker makes the call, unless the breaker is open. No complete answer is a failure, and so is a 5xx; any other
// answer shows that the vendor is there.
func (c *Client) throughBreaker(exchange func() (Reply, error)) (Reply, error) {
	if c.breaker == nil {
		return exchange()
	}

	re, err := c.breaker.Execute(func() (Reply, error) {
		re, err := exchange()
		if err == nil && re.Status >= http.StatusInternalServerError {
			return re, errServer
		}

		return re, err
	})

	switch {
	case errors.Is(err, errServer):
		return re, nil // which the caller judges by its status
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return Reply{}, &Error{Sent: NotSent, cause: ErrBreakerOpen}
	default:
		return re, err
	}
}

// errServer has the breaker count a 5xx. No caller sees it.
var errServer = errors.New("server error")
