package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"imagerun/internal/fault"
)

// explainInvalid turns a failed check into a fault. Its words come from the schema, never from the value.
func (c *contract) explainInvalid(err error) error {
	fields := c.listFields(err, "")
	if fields == nil {
		return err
	}

	return errInvalid.WithFields(fields...)
}

// listFields returns one field for each rule that failed, at most [maxFaults]. With a location, all of them
// are there.
func (c *contract) listFields(err error, location string) []fault.Field {
	failed, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return nil
	}

	var fields []fault.Field

	add := func(at []string, keyword, detail string) {
		if len(fields) == maxFaults {
			return
		}

		where := location
		if where == "" {
			where = safePointer(at)
		}

		fields = append(fields, fault.Field{Pointer: where, Keyword: keyword, Detail: detail})
	}

	var walk func(e *jsonschema.ValidationError, base []string)

	walk = func(e *jsonschema.ValidationError, base []string) {
		at := e.InstanceLocation

		switch k := e.ErrorKind.(type) {
		case *kind.Required:
			for _, name := range k.Missing {
				add(append(slices.Clip(at), name), "required", "This field is required. Add it.")
			}
		case *kind.DependentRequired:
			for _, name := range k.Missing {
				add(append(slices.Clip(at), name), "dependentRequired", "This field is required together with "+k.Prop+". Add it.")
			}
		case *kind.AdditionalProperties:
			for _, name := range slices.Sorted(slices.Values(k.Properties)) {
				add(append(slices.Clip(at), name), "additionalProperties", c.findRemedy(e, "There is no such field. Remove it, or correct its name."))
			}
		case *kind.PropertyNames:
			rule := e
			for len(rule.Causes) > 0 {
				rule = rule.Causes[0]
			}

			add(append(slices.Clip(base), namedBySchema(e.SchemaURL)...), "propertyNames", c.findRemedy(rule, describeRule(rule.ErrorKind)))
		default:
			if len(e.Causes) == 0 {
				keyword := "schema"
				if path := e.ErrorKind.KeywordPath(); len(path) > 0 {
					keyword = path[0]
				}

				add(at, keyword, c.findRemedy(e, describeRule(e.ErrorKind)))
			}

			if _, ok := k.(*kind.Reference); ok {
				base = at
			}

			for _, cause := range e.Causes {
				walk(cause, base)
			}
		}
	}

	walk(failed, nil)

	return fields
}

// describeRule says what a rule wants.
func describeRule(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "Send a value of type " + strings.Join(k.Want, " or ") + "."
	case *kind.Enum:
		words := make([]string, len(k.Want))
		for i, w := range k.Want {
			words[i] = fmt.Sprint(w)
		}

		return "Send one of: " + strings.Join(words, ", ") + "."
	case *kind.MinLength:
		return "Send at least " + formatCount(k.Want, "character") + "."
	case *kind.MaxLength:
		return "Send at most " + formatCount(k.Want, "character") + "."
	case *kind.Minimum:
		return "Send " + k.Want.RatString() + " or more."
	case *kind.Maximum:
		return "Send " + k.Want.RatString() + " or less."
	case *kind.MinItems:
		return fmt.Sprintf("Send at least %d.", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("Send at most %d.", k.Want)
	case *kind.MaxProperties:
		return "Send at most " + formatCount(k.Want, "member") + "."
	case *kind.UniqueItems:
		return "Send each item once."
	case *kind.Format:
		return "Send it in the form of " + k.Want + "."
	default:
		return "Send it in the form that the documentation gives."
	}
}

// namedBySchema returns the fields that lead to an inline schema, from where its document was last referred to. Of an object with a
// wrong name the place itself is no use: jsonschema v6.0.3 keeps it in a slice that it goes on writing to.
func namedBySchema(url string) []string {
	var at []string

	tokens := strings.Split(url, "/")
	for i, token := range tokens[1:] {
		if tokens[i] == "properties" {
			at = append(at, token)
		}
	}

	return at
}

// formatCount says one thing or several.
func formatCount(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}

	return strconv.Itoa(n) + " " + thing + "s"
}

// findRemedy prefers the schema's own words for a form that a keyword cannot explain.
func (c *contract) findRemedy(e *jsonschema.ValidationError, otherwise string) string {
	switch e.ErrorKind.(type) {
	case *kind.Pattern, *kind.AdditionalProperties, *kind.Enum:
	default:
		return otherwise
	}

	_, fragment, _ := strings.Cut(e.SchemaURL, "#")

	fragment, err := url.PathUnescape(fragment)
	if err != nil {
		return otherwise
	}

	node := c.raw
	for token := range strings.SplitSeq(strings.TrimPrefix(fragment, "/"), "/") {
		m, ok := node.(map[string]any)
		if !ok {
			return otherwise // inside a list: the schema has no words of its own there
		}

		node = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
	}

	if m, ok := node.(map[string]any); ok {
		if words, ok := m["x-remedy"].(string); ok {
			return words
		}
	}

	return otherwise
}

// showableName is a name that is safe to say back. Others may be a value in the wrong place.
var showableName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

func showName(name string) string {
	if showableName.MatchString(name) {
		return name
	}

	return "(unnamed)"
}

// safePointer points at tokens, or, where a name is not safe to say back, at what holds it.
func safePointer(tokens []string) string {
	for i, t := range tokens {
		if !showableName.MatchString(t) {
			return formatPointer(tokens[:i])
		}
	}

	return formatPointer(tokens)
}

// formatPointer writes a JSON pointer as a URL fragment (RFC 6901 §6).
func formatPointer(tokens []string) string {
	var b strings.Builder

	b.WriteByte('#')

	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(t)))
	}

	return b.String()
}

// badBinding answers what the generated code could not read. Its errors quote values, so only the
// name of the parameter is taken from them.
func (s *server) badBinding(w http.ResponseWriter, r *http.Request, err error) {
	named := func(name string) error {
		if name != http.CanonicalHeaderKey(name) { // query parameters are written in lower case
			return errInvalid.WithFields(fault.Field{Pointer: inQuery + name, Keyword: "format", Detail: "Send it in the form that the documentation gives."})
		}

		return errHeader.WithFields(fault.Field{Pointer: inHeader + name, Keyword: "format", Detail: "Send this header once, and not empty."})
	}

	if e, ok := errors.AsType[*TooManyValuesForParamError](err); ok {
		err = named(e.ParamName)
	} else if e, ok := errors.AsType[*InvalidParamFormatError](err); ok {
		err = named(e.ParamName)
	} else {
		err = errJSON.WithFields(fault.Field{Pointer: "#", Keyword: "type", Detail: "A field is not of its documented type."})
	}

	s.fail(w, r, err)
}
