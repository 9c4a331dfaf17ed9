package plan

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/hclspec/mark"
)

// valueJSON is a value with its type. What is unknown stands in it as null.
type valueJSON struct {
	Value     json.RawMessage `json:"value"`
	Type      json.RawMessage `json:"type"`
	Sensitive []path          `json:"sensitive,omitempty"` // where it is marked; [[]] for all of it
	Unknown   []path          `json:"unknown,omitempty"`
}

// path leads into a value: names of attributes and keys as strings, positions as numbers.
type path []any

// MarshalJSON writes the redacted value with its type, null if there is none.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.IsAbsent() {
		return []byte("null"), nil
	}
	_, marked := mark.Reveal(v.Value)
	marked = outermost(marked)
	var unknown []cty.Path
	for _, p := range marked {
		if at, err := p.Apply(v.Value); err == nil && !at.IsKnown() {
			unknown = append(unknown, p)
		}
	}
	return encodeValue(mark.Redact(v.Value), marked, unknown)
}

// UnmarshalJSON reads what MarshalJSON wrote. What was redacted is a text in place of a value,
// marked as that was.
func (v *Value) UnmarshalJSON(data []byte) error {
	decoded, err := decodeValue(data)
	v.Value = decoded
	return err
}

// outermost leaves out the paths that are inside of others.
func outermost(paths []cty.Path) []cty.Path {
	var out []cty.Path
	for _, p := range paths {
		if !slices.ContainsFunc(paths, func(o cty.Path) bool { return len(o) < len(p) && p.HasPrefix(o) }) {
			out = append(out, p)
		}
	}
	return out
}

// encodeValue writes a value that has no marks, and where it is to have some, or not to be
// known, when it is read; what is not known anyway is found.
func encodeValue(v cty.Value, marked, unknown []cty.Path) ([]byte, error) {
	if !v.IsWhollyKnown() {
		var err error
		v, err = cty.Transform(v, func(at cty.Path, v cty.Value) (cty.Value, error) {
			if !v.IsKnown() {
				unknown = append(unknown, at.Copy())
				return cty.NullVal(v.Type()), nil
			}
			return v, nil
		})
		if err != nil {
			return nil, err
		}
	}
	out := valueJSON{Sensitive: pathsOf(marked), Unknown: pathsOf(unknown)}
	var err error
	if out.Type, err = ctyjson.MarshalType(v.Type()); err != nil {
		return nil, err
	}
	if out.Value, err = ctyjson.Marshal(v, v.Type()); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// decodeValue reads what encodeValue wrote, with its marks.
func decodeValue(data []byte) (cty.Value, error) {
	var in *valueJSON
	if err := json.Unmarshal(data, &in); err != nil || in == nil {
		return cty.NilVal, err
	}
	ty, err := ctyjson.UnmarshalType(in.Type)
	if err != nil {
		return cty.NilVal, err
	}
	v, err := ctyjson.Unmarshal(in.Value, ty)
	if err != nil {
		return cty.NilVal, err
	}
	if len(in.Unknown) > 0 {
		v, err = cty.Transform(v, func(at cty.Path, v cty.Value) (cty.Value, error) {
			if slices.ContainsFunc(in.Unknown, func(p path) bool { return p.is(at) }) {
				return cty.UnknownVal(v.Type()), nil
			}
			return v, nil
		})
		if err != nil {
			return cty.NilVal, err
		}
	}
	for _, p := range in.Sensitive {
		at, err := p.in(v)
		if err != nil {
			return cty.NilVal, err
		}
		v = mark.Restore(v, []cty.Path{at})
	}
	return v, nil
}

// pathsOf writes paths down. Those of elements of sets have no names and are left out: only
// what is unknown has some, and is null there.
func pathsOf(paths []cty.Path) []path {
	var out []path
	for _, p := range paths {
		steps := path{}
		for _, s := range p {
			steps = append(steps, stepOf(s))
		}
		if !slices.Contains(steps, nil) {
			out = append(out, steps)
		}
	}
	return out
}

func stepOf(s cty.PathStep) any {
	switch s := s.(type) {
	case cty.GetAttrStep:
		return s.Name
	case cty.IndexStep:
		if s.Key.Type() == cty.String {
			return s.Key.AsString()
		}
		if s.Key.Type() == cty.Number {
			n, _ := s.Key.AsBigFloat().Int64()
			return n
		}
	}
	return nil
}

// is reports whether p, as read from JSON or not, leads where at does.
func (p path) is(at cty.Path) bool {
	return slices.EqualFunc(p, at, func(step any, s cty.PathStep) bool {
		if n, ok := step.(float64); ok {
			step = int64(n)
		}
		return step == stepOf(s) && step != nil
	})
}

// in returns the path in terms of a value's type.
func (p path) in(v cty.Value) (cty.Path, error) {
	ty, out := v.Type(), cty.Path{}
	for _, step := range p {
		switch step := step.(type) {
		case string:
			switch {
			case ty.IsObjectType() && ty.HasAttribute(step):
				out, ty = out.GetAttr(step), ty.AttributeType(step)
				continue
			case ty.IsMapType():
				out, ty = out.IndexString(step), ty.ElementType()
				continue
			}
		case float64:
			n := int(step)
			switch {
			case ty.IsTupleType() && n >= 0 && n < ty.Length():
				out, ty = out.IndexInt(n), ty.TupleElementType(n)
				continue
			case ty.IsListType():
				out, ty = out.IndexInt(n), ty.ElementType()
				continue
			}
		}
		return nil, fmt.Errorf("there is no %v in a value of the type %s", step, ty.FriendlyName())
	}
	return out, nil
}
