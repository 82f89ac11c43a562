package httpapi

// For the tests in httpapi_test.
var (
	ParseJSON     = parseJSON
	ReadKey       = idempotencyKey
	PreferredWait = preferredWait
	ParseID       = parseID
	FormatID      = formatID
	Fingerprint   = fingerprint
)

// MaxDepth is the deepest body that is read.
const MaxDepth = maxDepth

// Patterns returns the pattern of every route.
func Patterns() []string {
	var patterns []string
	for _, rt := range (&server{}).routes() {
		patterns = append(patterns, rt.pattern)
	}

	return patterns
}
