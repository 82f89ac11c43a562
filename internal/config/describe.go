package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"imagerun/internal/redact"
)

// Key describes one key.
type Key struct {
	Name     string // as the file spells it
	Variable string // as the environment spells it
	Doc      string
	Default  string // empty: none
	Secret   bool   // may be given by file as well: [FileOf]
	NeededBy []Process
}

// Describe lists every key in the order of the example.
func Describe() []Key {
	all := listLeaves(new(Config))
	keys := make([]Key, 0, len(all))

	for _, l := range all {
		keys = append(keys, Key{
			Name:     l.name,
			Variable: Variable(l.name),
			Doc:      l.doc,
			Default:  l.fallback,
			Secret:   l.isSecret(),
			NeededBy: neededBy(l.name),
		})
	}

	return keys
}

func neededBy(key string) []Process {
	var who []Process

	for _, process := range Processes() {
		for _, k := range Needs(process) {
			if k == key {
				who = append(who, process)
			}
		}
	}

	return who
}

// Example returns config.example.yaml: every key with what it means and its default.
func Example() []byte {
	var b bytes.Buffer

	b.WriteString(`# Every key of the configuration, with its default. Copy this file, keep what you change, and name
# it in ` + FileVariable + `. The environment wins over the file: the name of a key there is below
# each key's text, and secrets are best put there, or into a file that a variable ending in
# ` + fileSuffix + ` names, as Docker and Kubernetes mount them. Generated from internal/config: make generate.

`)
	writeYAML(&b, Default(), true)

	return b.Bytes()
}

// Dump returns the configuration in force as YAML, with secrets redacted.
func (c Config) Dump() []byte {
	var b bytes.Buffer

	writeYAML(&b, c, false)

	return b.Bytes()
}

func writeYAML(b *bytes.Buffer, c Config, explain bool) {
	walkKeys(reflect.ValueOf(&c).Elem(), "", func(l leaf, section bool) {
		indent, name := "", l.name
		if _, key, inSection := strings.Cut(l.name, "."); inSection {
			indent, name = "  ", key
		}

		if explain {
			if section {
				b.WriteByte('\n')
			}

			for _, line := range wrapText(l.doc, 100-len(indent)) {
				fmt.Fprintf(b, "%s# %s\n", indent, line)
			}

			if !section {
				fmt.Fprintf(b, "%s# %s%s\n", indent, Variable(l.name), formatNeeds(l.name))
			}

			if l.isSecret() {
				fmt.Fprintf(b, "%s# %s names a file that holds it\n", indent, FileOf(l.name))
			}
		}

		if section {
			fmt.Fprintf(b, "%s%s:\n", indent, name)
		} else {
			fmt.Fprintf(b, "%s%s: %s\n", indent, name, formatScalar(l.value))
		}
	})
}

func formatNeeds(key string) string {
	who := neededBy(key)
	if len(who) == 0 {
		return ""
	}

	names := make([]string, len(who))
	for i, process := range who {
		names[i] = string(process)
	}

	return " (needed by " + strings.Join(names, ", ") + ")"
}

// formatScalar writes one value as YAML on one line.
func formatScalar(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case redact.Secret:
		if x.IsZero() {
			return `""`
		}

		return `"` + redact.Mask + `"`
	case time.Duration:
		return formatDuration(x)
	case Queues:
		return x.String()
	}

	var node yaml.Node
	if err := node.Encode(v.Interface()); err != nil {
		panic(fmt.Sprintf("config key of a type that YAML cannot show: %v", err)) // a new field's type
	}

	node.Style |= yaml.FlowStyle // lists on one line

	out, err := yaml.Marshal(&node)
	if err != nil {
		panic(fmt.Sprintf("config key of a type that YAML cannot show: %v", err))
	}

	return strings.TrimSpace(string(out))
}

// formatDuration is d without the parts that are zero: 10m instead of 10m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}

	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}

	return s
}

func wrapText(text string, width int) []string {
	var lines []string

	line := ""

	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}

		if line != "" {
			line += " "
		}

		line += word
	}

	return append(lines, line)
}
