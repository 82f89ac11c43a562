package fault

import "fmt"

// Wrap says what was being done when err happened; nil stays nil. What err is stays to be found with errors.Is and As.
func Wrap(err error, doing string) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s: %w", doing, err)
}
