package generation

import (
	"time"
)

// DelayReason says what a generation waits for that is not its turn.
type DelayReason string

// The reasons. The list is closed.
const (
	DelayModelFailing        DelayReason = "model_failing"        // its models keep failing: one is tried now and then
	DelayProviderBusy        DelayReason = "provider_busy"        // the provider has no room
	DelayProviderUnavailable DelayReason = "provider_unavailable" // the provider refuses our account, which operators see to
	DelayProviderUnreachable DelayReason = "provider_unreachable" // the provider has it, and cannot be asked how far it is
	DelayConfirming          DelayReason = "confirming"           // the provider did not answer: whether it has the request is being found out
	DelayRetrying            DelayReason = "retrying"             // the provider failed, and is asked again
	DelayStoring             DelayReason = "storing_again"        // a picture could not be fetched or kept, and is fetched again
)

// DelayReasons lists every reason.
func DelayReasons() []DelayReason {
	return []DelayReason{
		DelayModelFailing, DelayProviderBusy, DelayProviderUnavailable, DelayProviderUnreachable,
		DelayConfirming, DelayRetrying, DelayStoring,
	}
}

// Delay is what a generation waits for.
type Delay struct {
	Reason DelayReason
	Since  time.Time
	Next   *time.Time // when it is tried again; nil: that is not known
}
