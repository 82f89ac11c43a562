package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"imagerun/api"
	"imagerun/internal/fault"
)

// contract is the OpenAPI document, ready to check requests against.
//
// kin-openapi reads it; the schemas are compiled once by the JSON Schema 2020-12 library that
// kin-openapi itself uses for OpenAPI 3.1. Going through its openapi3filter would compile them
// anew for each request and flatten the errors to text that repeats values.
type contract struct {
	doc      *openapi3.T
	text     []byte // the same document as JSON
	raw      any    // the same again, for the schemas' x-remedy
	compiler *jsonschema.Compiler
}

// contractURL names the document to the compiler; nothing is fetched from it.
const contractURL = "https://imagerun.invalid/openapi.json"

func mustContract() *contract {
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	if err != nil {
		panic(err)
	}

	var parsed any
	if err := yaml.Unmarshal(api.Spec, &parsed); err != nil {
		panic(err)
	}

	text, err := json.Marshal(parsed)
	if err != nil {
		panic(err)
	}

	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}

	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "date-time", Validate: validateTime})

	if err := c.AddResource(contractURL, raw); err != nil {
		panic(err)
	}

	return &contract{doc: doc, text: text, raw: raw, compiler: c}
}

// validateTime has the parser of times validate them: what passes is read, and what it cannot read, such as a leap
// second, is a wrong field and no broken body.
func validateTime(v any) error {
	text, ok := v.(string)
	if !ok {
		return nil // the type is judged elsewhere
	}

	return new(time.Time).UnmarshalText([]byte(text))
}

// compileSchema compiles what a JSON pointer in the document leads to.
func (c *contract) compileSchema(tokens ...string) *jsonschema.Schema {
	return c.compiler.MustCompile(contractURL + formatPointer(tokens))
}

// operation is one route's part of the contract.
type operation struct {
	contract *contract
	body     *jsonschema.Schema // nil: takes none
	item     *jsonschema.Schema // of the body's items, which are judged one by one; nil: the body is judged as a whole
	maxBody  int64              // bytes
	bodiless bool               // may come without its body, which then is {}
	params   map[string]param   // of the query
}

type param struct {
	schema   *jsonschema.Schema
	required bool
	kind     string // type of the value, or of the items
	list     bool   // may be repeated
	object   bool   // comes as name[key]=value
}

// findOperation returns the part of the contract for a route, or nil when it is not in the contract. Its body has at most so many bytes.
func (c *contract) findOperation(pattern string, limit int64) *operation {
	method, path, _ := strings.Cut(pattern, " ")

	item := c.doc.Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		return nil
	}

	spec := item.GetOperation(method)
	at := []string{"paths", path, strings.ToLower(method)}
	op := &operation{contract: c, maxBody: limit, params: map[string]param{}}

	if spec.RequestBody != nil {
		op.body = c.compileSchema(append(at, "requestBody", "content", "application/json", "schema")...)
		op.bodiless = !spec.RequestBody.Value.Required
		op.item = itemSchema(op.body, spec.RequestBody.Value.Content.Get("application/json").Schema.Value)
	}

	for i, p := range spec.Parameters {
		if p.Value.In != openapi3.ParameterInQuery {
			continue
		}

		schema := p.Value.Schema.Value
		q := param{required: p.Value.Required, schema: c.compileSchema(append(at, "parameters", strconv.Itoa(i), "schema")...), list: schema.Type.Is("array")}

		q.object = p.Value.Style == openapi3.SerializationDeepObject
		if q.list {
			schema = schema.Items.Value
		}

		q.kind = schema.Type.Slice()[0]
		op.params[p.Value.Name] = q
	}

	return op
}

// checkRequest refuses what the contract does not allow, and leaves the body in one canonical form:
// names in order, no spaces, no null for what is absent, integers as integers.
func (op *operation) checkRequest(r *http.Request) error {
	if err := op.checkQuery(r); err != nil {
		return err
	}

	// A list may come in several lines (RFC 9110 §5.3); the generated code reads one.
	for _, name := range []string{"Prefer", "If-None-Match"} {
		if lines := r.Header.Values(name); len(lines) > 1 {
			r.Header.Set(name, strings.Join(lines, ", "))
		}
	}

	if op.body == nil {
		// A body that the handler does not read is taken in too: a wait begins when the body has come.
		_, err := readBody(r, op.maxBody)

		return err
	}

	if op.bodiless {
		if err := fillBody(r, op.maxBody); err != nil {
			return err
		}
	}

	v, err := readJSON(r, op.maxBody)
	if err != nil {
		return err
	}

	dropNulls(op.body, v)

	if op.item == nil {
		err = op.validateValue(op.body, v)
	} else {
		exchangeOf(r.Context()).refused, err = op.validateItems(v)
	}

	if err != nil {
		return err
	}

	canonical, err := json.Marshal(plainNumbers(v))
	if err != nil {
		return fmt.Errorf("encode body again: %w", err)
	}

	setBody(r, canonical)

	return nil
}

// validateValue refuses what a schema does not allow.
func (op *operation) validateValue(schema *jsonschema.Schema, v any) error {
	if err := refuseNUL(v); err != nil {
		return err
	}

	if err := schema.Validate(v); err != nil {
		return op.contract.explainInvalid(err)
	}

	return nil
}

// fillBody gives a request that has no body an empty object.
func fillBody(r *http.Request, limit int64) error {
	raw, err := readBody(r, limit)
	if err != nil {
		return err
	}

	if len(raw) == 0 {
		raw = []byte(`{}`)
		r.Header.Set("Content-Type", "application/json")
	}

	setBody(r, raw)

	return nil
}

func setBody(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
}

func (op *operation) checkQuery(r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return errQuery
	}

	var (
		fields  []fault.Field
		objects = map[string][]string{} // the members of each
	)

	for _, name := range slices.Sorted(maps.Keys(op.params)) {
		if op.params[name].required && !query.Has(name) {
			fields = append(fields, fault.Field{Pointer: inQuery + name, Keyword: "required", Detail: "This parameter is required. Add it."})
		}
	}

	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(fields) >= maxFaults {
			break
		}

		p, known := op.params[name]
		base, member, keyed := cutMember(name)
		if keyed {
			p, known = op.params[base]
		}

		switch {
		case !known || keyed != p.object:
			fields = append(fields, fault.Field{
				Pointer: inQuery + showName(name), Keyword: "additionalProperties", Detail: "There is no such parameter here. Remove it.",
			})
		case !p.list && len(query[name]) > 1:
			fields = append(fields, fault.Field{Pointer: inQuery + base, Keyword: "maxItems", Detail: "Give this parameter once."})
		case keyed:
			objects[base] = append(objects[base], member)
		default:
			if err := p.schema.Validate(p.parseValue(query[name])); err != nil {
				fields = append(fields, op.contract.listFields(err, inQuery+name)...)
			}
		}
	}

	for _, base := range slices.Sorted(maps.Keys(objects)) {
		v := make(map[string]any, len(objects[base]))
		for _, member := range objects[base] {
			v[member] = query.Get(base + "[" + member + "]")
		}

		if err := op.params[base].schema.Validate(v); err != nil {
			fields = append(fields, op.contract.listFields(err, inQuery+base)...)
		}
	}

	if len(fields) > 0 {
		return errInvalid.WithFields(fields...)
	}

	return nil
}

// cutMember reads name[member]. What is not one is all name.
func cutMember(text string) (name, member string, ok bool) {
	if name, member, ok = strings.Cut(text, "["); ok {
		member, ok = strings.CutSuffix(member, "]")
	}

	if !ok {
		return text, "", false
	}

	return name, member, true
}

// parseValue reads what a query parameter says. What does not read as its type stays text, and its
// schema refuses it.
func (p param) parseValue(texts []string) any {
	read := func(text string) any {
		if p.kind == "integer" {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				return n
			}
		}

		if p.kind == "boolean" && (text == "true" || text == "false") {
			return text == "true"
		}

		return text
	}

	if !p.list {
		return read(texts[0])
	}

	values := make([]any, len(texts))
	for i, text := range texts {
		values[i] = read(text)
	}

	return values
}
