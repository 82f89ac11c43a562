package httpapi_test

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"imagerun/api"
	"imagerun/internal/auth/proxy"
	"imagerun/internal/httpapi"
)

// contract is the document with every object closed: in a test, a field that is not documented is
// a mistake of ours.
type contract struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
}

// specJSON is the document as JSON: reading YAML takes longer than most tests.
var specJSON = sync.OnceValues(func() ([]byte, error) { //nolint:gochecknoglobals // a constant
	var parsed any
	if err := yaml.Unmarshal(api.Spec, &parsed); err != nil {
		return nil, err
	}

	return json.Marshal(parsed)
})

func contractOf(t *testing.T) *contract {
	t.Helper()

	text, err := specJSON()
	require.NoError(t, err)

	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)

	doc := raw.(map[string]any)
	for _, schema := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
		s := schema.(map[string]any)
		if _, open := s["additionalProperties"]; s["type"] == "object" && !open {
			s["additionalProperties"] = false
		}
	}

	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	require.NoError(t, c.AddResource("https://test.invalid/spec", doc))

	return &contract{doc, c}
}

// requireConforms checks a reply against the documented response.
func (c *contract) requireConforms(t *testing.T, status, method, path string, w *httptest.ResponseRecorder) {
	t.Helper()

	at := []string{"paths", path, method, "responses", status}

	response := c.at(at...)
	require.NotNil(t, response, "%s %s does not document %s", method, path, status)

	if ref, ok := response["$ref"].(string); ok {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		response = c.at(at...)
	}

	content, _ := response["content"].(map[string]any)
	if content == nil {
		require.Empty(t, w.Body.String())

		return
	}

	kind, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	require.NoError(t, err)
	require.Contains(t, content, kind)

	at = append(at, "content", kind, "schema")
	for i, token := range at {
		at[i] = url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
	}

	schema, err := c.compiler.Compile("https://test.invalid/spec#/" + strings.Join(at, "/"))
	require.NoError(t, err)

	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(v), w.Body.String())

	headers, _ := response["headers"].(map[string]any)
	for _, name := range []string{"Location", "ETag", "Preference-Applied", "Idempotent-Replayed", "Retry-After"} {
		if w.Header().Get(name) != "" {
			require.Contains(t, headers, name, "an undocumented header was sent")
		}
	}
}

func (c *contract) at(tokens ...string) map[string]any {
	node := c.doc
	for _, token := range tokens {
		node, _ = node[token].(map[string]any)
	}

	return node
}

func TestContract_IsValid(t *testing.T) {
	t.Parallel()

	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(api.Spec)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(loader.Context))
	require.Equal(t, "3.1.0", doc.OpenAPI)
}

func TestContract_ClosesEveryRequestObject(t *testing.T) {
	t.Parallel()

	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	require.NoError(t, err)

	bodies := 0

	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil || strings.HasPrefix(path, proxy.Prefix) {
				continue
			}

			bodies++

			schema := op.RequestBody.Value.Content.Get("application/json").Schema.Value
			require.NotNil(t, schema.AdditionalProperties.Has, "%s %s", method, path)
			require.False(t, *schema.AdditionalProperties.Has, "%s %s", method, path)
		}
	}

	require.Equal(t, 11, bodies)
}

// Everything documented is served, and what is served and not documented is named here.
func TestContract_AgreesWithRoutes(t *testing.T) {
	t.Parallel()

	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	require.NoError(t, err)

	want := []string{"/api/auth/{path...}", "POST /webhooks/fal/{token}", "POST /webhooks/creem", "GET /checkout/return/{id}", "GET /{$}", "GET /openapi.yaml", "GET /openapi.json"}

	var accounts []string

	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if strings.HasPrefix(path, proxy.Prefix) {
				accounts = append(accounts, method+" "+path)
			} else {
				want = append(want, method+" "+path)
			}
		}
	}

	require.ElementsMatch(t, want, httpapi.Patterns())
	require.ElementsMatch(t, accounts, proxy.Routes())
}

// TestIndex: a person who opens the address in a browser finds what there is.
func TestIndex(t *testing.T) {
	t.Parallel()

	w := setup(t).do("GET", "/", "", "Authorization", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Contains(t, w.Body.String(), `<a href="openapi.json">`)
}

func TestContract_IsServed(t *testing.T) {
	t.Parallel()

	w := setup(t).do("GET", "/openapi.yaml", "", "Authorization", "")

	require.Equal(t, 200, w.Code)
	require.Equal(t, "application/yaml", w.Header().Get("Content-Type"))
	require.Equal(t, api.Spec, w.Body.Bytes())
	require.NotEmpty(t, w.Header().Get("ETag"))

	w = setup(t).do("GET", "/openapi.json", "", "Authorization", "")

	require.Equal(t, 200, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.NotEmpty(t, w.Header().Get("ETag"))

	text, err := specJSON()
	require.NoError(t, err)
	require.JSONEq(t, string(text), w.Body.String())
}

// Generators read neither our own Go types nor places inside of schemas, and a field with a default is one that
// must be sent to some of them.
func TestContract_HasNothingOfOurGenerator(t *testing.T) {
	t.Parallel()

	doc := contractOf(t).doc

	var walk func(at string, node any)

	walk = func(at string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for name, value := range node {
				require.False(t, strings.HasPrefix(name, "x-go-"), "%s/%s", at, name)

				if ref, ok := value.(string); ok && name == "$ref" {
					require.Len(t, strings.Split(ref, "/"), 4, "%s: %s is inside of something", at, ref)
				}

				if properties, ok := value.(map[string]any); ok && name == "properties" {
					for property, schema := range properties {
						require.NotContains(t, schema, "default", "%s of %s", property, at)
					}
				}

				walk(at+"/"+name, value)
			}
		case []any:
			for _, value := range node {
				walk(at, value)
			}
		}
	}

	walk("", doc)
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()

	var v T

	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), w.Body.String())

	return v
}

func pointers(p httpapi.Problem) []string {
	var all []string

	for _, e := range p.Errors {
		switch {
		case e.Pointer != nil:
			all = append(all, *e.Pointer+" "+e.Keyword)
		case e.Parameter != nil:
			all = append(all, "?"+*e.Parameter+" "+e.Keyword)
		case e.Header != nil:
			all = append(all, *e.Header+": "+e.Keyword)
		}
	}

	slices.Sort(all)

	return all
}
