package config

import (
	"os"
	"reflect"
	"strings"

	"imagerun/internal/redact"
)

// fileSuffix ends the name of the variable that names a file with a secret in it, as container
// platforms mount them.
const fileSuffix = "_FILE"

// FileOf returns the variable that names the file of a secret key.
func FileOf(key string) string { return Variable(key) + fileSuffix }

// isSecret reports whether the key may be given by file.
func (l leaf) isSecret() bool {
	t := l.value.Type()

	return t == reflect.TypeFor[redact.Secret]() || t == reflect.TypeFor[[]redact.Secret]()
}

// readSecret returns what is in the file that env names for a secret key, without the line's end; false
// when it names none, or what is wrong was said.
func readSecret(l leaf, env map[string]string, found *keyErrors) (string, bool) {
	name := FileOf(l.name)

	file, ok := env[name]
	if !ok {
		return "", false
	}

	delete(env, name)

	if _, twice := env[Variable(l.name)]; twice {
		found.add(l.name, "is given twice, by itself and by %s: leave one of them out", name)

		return "", false
	}

	raw, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		found.add(l.name, "cannot be read from the file that %s names: %w", name, err)

		return "", false
	}

	text := strings.TrimRight(string(raw), "\r\n")
	if text == "" {
		found.add(l.name, "is empty in the file that %s names", name)
	}

	return text, text != ""
}
