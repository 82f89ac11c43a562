package generation

import (
	"time"

	"imagerun/internal/fault"
)

// The faults of this package.
var (
	ErrNotFound        = fault.New(fault.NotFound, "not_found", "There is no such generation.")
	ErrDeleted         = fault.New(fault.Gone, "deleted", "This generation was deleted.")
	ErrNotCancelable   = fault.New(fault.Conflict, "not_cancelable", "This generation has already finished, so there is nothing to cancel.")
	ErrQueueFull       = fault.New(fault.RateLimited, "queue_full", "Your queue is full. Wait for some of your generations to finish, or cancel some.").WithRetryAfter(10 * time.Second)
	ErrAlbumTooLarge   = fault.New(fault.Invalid, "download_too_large", "That is too much for one download: at most 200 pictures and 1 GiB together. Download them in parts.")
	ErrAlbumEmpty      = fault.New(fault.NotFound, "nothing_to_download", "None of these generations is yours and has a picture.")
	ErrCallbackUnknown = fault.New(fault.NotFound, "not_found", "This callback belongs to no attempt of ours.")
)

// FailureText says, for people, what happened and what to do, and whether asking again for the
// same thing can help. An unknown code, from a newer release, gets a general sentence.
func FailureText(code FailureCode) (message string, retryable bool) {
	switch code {
	case FailurePromptRejected:
		return "The model refused this prompt because of its content rules. Change the prompt and try again.", false
	case FailureInvalidRequest:
		return "The model did not accept these settings. Choose another size, quality or model.", false
	case FailureReference:
		return "The model could not use the reference picture. Upload it again, or choose another one.", false
	case FailureStorage:
		return "The picture was made, but could not be saved. Try again.", true
	case FailureOutputBlocked:
		return "The safety checker blocked the result, so no picture was kept. Change the prompt or the seed and try again.", false
	case FailureProviderError:
		return "The image service failed several times. Try again in a few minutes.", true
	case FailureTimeout:
		return "The image service took too long. Try again, perhaps with a lower quality.", true
	case FailureNoImage:
		return "The image service finished without a usable picture. Try again.", true
	case FailureResultExpired:
		return "The picture was made, but could not be fetched in time. Try again.", true
	case FailureDeadline:
		return "This generation did not finish by its deadline and was ended. Try again.", true
	case FailureUnavailable:
		return "The image service did not serve us, which is our fault and not yours; we are seeing to it. There is no use in trying again at once.", false
	case FailureProviderLost:
		return "The image service lost this request. Try again.", true
	case FailureCanceledByUser:
		return "You canceled this generation.", true
	case FailureByOperator:
		return "We stopped this generation; nothing is wrong with your request. Try again, and quote the support code if it happens twice.", true
	default:
		return "This generation did not succeed. Try again, and quote the support code if it happens twice.", true
	}
}

// The faults of quotes.
var (
	ErrQuoteExpired  = fault.New(fault.Invalid, "quote_expired", "This quote has expired. Ask for another estimate, or leave the quote out.").WithFields(quoteField)
	ErrQuoteMismatch = fault.New(fault.Invalid, "quote_mismatch", "This quote is for another request. Ask for an estimate of this one, or leave the quote out.").WithFields(quoteField)

	quoteField = fault.Field{Pointer: "#/quote", Keyword: "quote", Detail: "Send the quote of an estimate of this very request, or leave it out."}
)

// ErrPlanForbids says that the caller's plan does not allow what was asked for.
var ErrPlanForbids = fault.New(fault.Forbidden, "plan_forbids", "Your plan does not allow this. See errors for what it does allow; nothing was started or charged.")
