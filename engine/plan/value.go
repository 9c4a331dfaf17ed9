package plan

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// Value is a value that is shown. It keeps its marks in memory; its JSON is redacted, so a
// plan that is written down or printed tells no secret. See Encode for plans that are applied.
type Value struct{ cty.Value }

// Of wraps a value for showing.
func Of(v cty.Value) Value { return Value{v} }

// IsAbsent reports whether there is no value at all.
func (v Value) IsAbsent() bool { return v.Value == cty.NilVal }

// Plain returns the value as Go data of encoding/json's shapes (numbers as json.Number),
// sensitive parts as null, unknown ones as nil too. What is sensitive and what is
// unknown is told by Sensitive and Unknown.
func (v Value) Plain() any {
	if v.IsAbsent() {
		return nil
	}
	return plain(v.Value)
}

func plain(v cty.Value) any {
	if v.IsMarked() || !v.IsKnown() || v.IsNull() {
		return nil
	}
	ty := v.Type()
	switch {
	case ty == cty.String:
		return v.AsString()
	case ty == cty.Bool:
		return v.True()
	case ty == cty.Number:
		return json.Number(v.AsBigFloat().Text('f', -1))
	case ty.IsObjectType() || ty.IsMapType():
		out := make(map[string]any, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			k, _ = k.Unmark()
			out[k.AsString()] = plain(e)
		}
		return out
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		out := make([]any, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			out = append(out, plain(e))
		}
		return out
	}
	return fmt.Sprintf("(%s)", ty.FriendlyName())
}

// Sensitive returns the shape of what is sensitive, as in Terraform's plan JSON: true
// where a value is marked, nested objects and lists where something inside is, false for nothing.
func (v Value) Sensitive() any { return shape(v.Value, cty.Value.IsMarked, false) }

// Unknown returns the shape of what is not known yet, likewise.
func (v Value) Unknown() any {
	return shape(v.Value, func(v cty.Value) bool { return !v.IsKnown() }, false)
}

func shape(v cty.Value, is func(cty.Value) bool, inner bool) any {
	if v == cty.NilVal {
		return false
	}
	if is(v) {
		return true
	}
	if v.IsMarked() {
		// What is inside is nobody's business.
		if ty := v.Type(); !inner && (ty.IsObjectType() || ty.IsMapType()) {
			return map[string]any{}
		}
		return false
	}
	if v, _ = v.Unmark(); v.IsNull() || !v.IsKnown() {
		return false
	}
	ty := v.Type()
	switch {
	case ty.IsObjectType() || ty.IsMapType():
		out := map[string]any{}
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			if s := shape(e, is, true); s != false {
				k, _ = k.Unmark()
				out[k.AsString()] = s
			}
		}
		if len(out) == 0 && inner {
			return false
		}
		return out
	case ty.IsTupleType() || ty.IsListType():
		out := []any{}
		some := false
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			s := shape(e, is, true)
			some = some || s != false
			out = append(out, s)
		}
		if !some && inner {
			return false
		}
		return out
	}
	return false
}
