package schema

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/zclconf/go-cty/cty"

	"tidegate/providers"
)

// reporter turns what the validator found into findings.
type reporter struct {
	value  cty.Value // with its marks
	hide   bool      // show nothing that comes from the value
	secret bool      // show nothing that comes from the schema
}

// findings returns one finding for each leaf, in the order of their places: the validator
// walks maps and so has an order of its own each time.
func findings(e *jsonschema.ValidationError, r reporter) []providers.Finding {
	all := leaves(e)
	slices.SortStableFunc(all, func(a, b *jsonschema.ValidationError) int {
		return cmp.Or(slices.CompareFunc(place(a), place(b), compareSteps), cmp.Compare(r.message(a), r.message(b)))
	})
	out := make([]providers.Finding, len(all))
	for i, leaf := range all {
		out[i] = r.finding(leaf)
	}
	return out
}

// place is the location of a leaf in the value. That of propertyNames is not to be trusted:
// the library reuses its memory (github.com/santhosh-tekuri/jsonschema/pull/269), so it may
// name a sibling, or a key that is to be hidden.
func place(e *jsonschema.ValidationError) []string {
	if hasNoPlace(e) {
		return nil
	}
	return e.InstanceLocation
}

func hasNoPlace(e *jsonschema.ValidationError) bool {
	_, ok := e.ErrorKind.(*kind.PropertyNames)
	return ok
}

// compareSteps puts item 9 before item 10.
func compareSteps(a, b string) int {
	i, errA := strconv.Atoi(a)
	j, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a, b)
}

// leaves are the violations that cause the others. The alternatives of anyOf and oneOf are
// one leaf, since no single one of them has to hold.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 || isLeaf(e.ErrorKind) {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		out = append(out, leaves(cause)...)
	}
	return out
}

func isLeaf(k jsonschema.ErrorKind) bool {
	switch k.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Contains, *kind.MinContains, *kind.PropertyNames:
		return true
	}
	return false
}

func (r reporter) finding(e *jsonschema.ValidationError) providers.Finding {
	message := r.message(e)
	switch {
	case r.secret:
		message = "does not satisfy the schema, which is sensitive and not shown"
	case r.hide:
		// The place in the schema says what the path may not: names of keys are part of the value.
		message += fmt.Sprintf(" (%s in the schema; the value is sensitive and not shown)", schemaLocation(e))
	case hasNoPlace(e):
		message += fmt.Sprintf(" (%s in the schema)", schemaLocation(e))
	}
	f := providers.Finding{Path: r.path(place(e)), Message: message + "."}
	switch {
	case hasNoPlace(e):
		f.Message = "An object " + f.Message
	case len(place(e)) == 0:
		f.Message = "The value " + f.Message
	}
	return f
}

func schemaLocation(e *jsonschema.ValidationError) string {
	_, pointer, _ := strings.Cut(e.SchemaURL, "#")
	if path := e.ErrorKind.KeywordPath(); len(path) > 0 && !strings.HasSuffix(pointer, "/"+path[0]) {
		pointer += "/" + path[0]
	}
	return "#" + pointer
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// path writes a place as an expression would reach it: items[0].name. In a sensitive value
// it ends where the mark is.
func (r reporter) path(location []string) string {
	var out strings.Builder
	v := r.value
	for _, step := range location {
		if v != cty.NilVal && v.IsMarked() {
			break
		}
		index, isIndex := indexIn(v, step)
		switch {
		case isIndex:
			fmt.Fprintf(&out, "[%d]", index)
		case !plainKey.MatchString(step):
			fmt.Fprintf(&out, "[%q]", step)
		case out.Len() > 0:
			out.WriteString("." + step)
		default:
			out.WriteString(step)
		}
		v = descend(v, step)
	}
	return out.String()
}

// indexIn reports whether step is an index in v; without a value whatever is a number counts.
func indexIn(v cty.Value, step string) (int, bool) {
	i, err := strconv.Atoi(step)
	if err != nil || v != cty.NilVal && (v.Type().IsObjectType() || v.Type().IsMapType()) {
		return 0, false
	}
	return i, true
}

func descend(v cty.Value, step string) cty.Value {
	if v == cty.NilVal || v.IsMarked() || !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return cty.NilVal
	}
	i := 0
	keyed := v.Type().IsObjectType() || v.Type().IsMapType()
	for it := v.ElementIterator(); it.Next(); i++ {
		k, e := it.Element()
		if keyed && k.AsString() == step || !keyed && strconv.Itoa(i) == step {
			return e
		}
	}
	return cty.NilVal
}
