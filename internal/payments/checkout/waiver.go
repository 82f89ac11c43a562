package checkout

// Waiver is what a person says who wants the credits before the fourteen days in which they may withdraw are over
// (Directive 2011/83/EU, Art. 16 (m)). A checkout keeps the words themselves: a new text gets a new version.
const (
	WaiverVersion = "2026-11-28"
	WaiverText    = "I want the credits at once, before the fourteen days in which I may withdraw from this purchase are over. " +
		"I know that what is paid for credits which I have used by then is not returned."
)

// waiver is the text as a checkout keeps it.
func (r Request) waiver() *string {
	if !r.Waive {
		return nil
	}

	return new(WaiverVersion + ": " + WaiverText)
}
