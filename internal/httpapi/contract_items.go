package httpapi

import (
	"errors"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// The list in a body whose items are judged one by one, and what says so in the contract.
const (
	itemsField  = "items"
	judgedAlone = "x-judged-one-by-one"
)

// itemSchema returns the schema of such items, or nil where a body has none.
func itemSchema(body *jsonschema.Schema, spec *openapi3.Schema) *jsonschema.Schema {
	list := spec.Properties[itemsField]
	if list == nil || list.Value.Extensions[judgedAlone] != true {
		return nil
	}

	for body.Ref != nil {
		body = body.Ref
	}

	return body.Properties[itemsField].Items2020
}

// validateItems judges the items of a body one by one, if nothing else of it is wrong, and returns why some are refused, by their
// index; pointers lead into the item. Each of those leaves an empty one behind.
func (op *operation) validateItems(v any) (map[int]error, error) {
	err := op.body.Validate(v)

	failed, ok := errors.AsType[*jsonschema.ValidationError](err)
	if err != nil && (!ok || failsOutsideItems(failed)) {
		return nil, op.contract.explainInvalid(err)
	}

	if err == nil && refuseNUL(v) == nil {
		return nil, nil
	}

	refused := map[int]error{}
	items, _ := v.(map[string]any)[itemsField].([]any)

	for i, item := range items {
		if err := op.validateValue(op.item, item); err != nil {
			refused[i], items[i] = err, map[string]any{}
		}
	}

	return refused, nil
}

// failsOutsideItems reports whether some rule failed that is none of an item. Where a name is wrong only the depth of the place can
// be relied on, see [contract.fields].
func failsOutsideItems(e *jsonschema.ValidationError) bool {
	if _, named := e.ErrorKind.(*kind.PropertyNames); named || len(e.Causes) == 0 {
		return len(e.InstanceLocation) < 2
	}

	return slices.ContainsFunc(e.Causes, failsOutsideItems)
}
