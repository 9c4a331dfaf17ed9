package hclspec

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// jsonEncodeFunc is jsonencode with the bytes of the library's, written without a buffer for
// each part: it is what most sinks are rendered with.
var jsonEncodeFunc = function.New(&function.Spec{
	Description: "Returns a string containing a JSON representation of the given value.",
	Params: []function.Parameter{{
		Name: "val", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowNull: true,
	}},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: func(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v := args[0]
		if !v.IsWhollyKnown() {
			return cty.UnknownVal(cty.String), nil
		}
		out, err := appendJSON(make([]byte, 0, 512), v)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(string(out)), nil
	},
})

// jsonDecodeFunc is the library's, with words for a text that ends too early.
var jsonDecodeFunc = function.New(&function.Spec{
	Description: stdlib.JSONDecodeFunc.Description(),
	Params:      stdlib.JSONDecodeFunc.Params(),
	Type: func(args []cty.Value) (cty.Type, error) {
		if text, _ := args[0].Unmark(); text.IsKnown() && !text.IsNull() {
			if err := jsonBound(text.AsString()); err != nil {
				return cty.NilType, err
			}
		}
		ty, err := stdlib.JSONDecodeFunc.ReturnTypeForValues(args)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = function.NewArgErrorf(0, "the JSON ends too early")
		}
		return ty, err
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return stdlib.JSONDecodeFunc.Call(args) },
})

// appendJSON appends a wholly known, unmarked value.
func appendJSON(out []byte, v cty.Value) ([]byte, error) {
	ty := v.Type()
	switch {
	case v.IsNull():
		return append(out, "null"...), nil
	case ty == cty.String:
		return appendJSONString(out, v.AsString())
	case ty == cty.Bool:
		if v.True() {
			return append(out, "true"...), nil
		}
		return append(out, "false"...), nil
	case ty == cty.Number:
		if f := v.AsBigFloat(); !f.IsInf() {
			return f.Append(out, 'f', -1), nil
		}
	case ty.IsObjectType() || ty.IsMapType():
		return appendJSONObject(out, v.AsValueMap())
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		out = append(out, '[')
		first := true
		for it := v.ElementIterator(); it.Next(); {
			if !first {
				out = append(out, ',')
			}
			first = false
			_, e := it.Element()
			var err error
			if out, err = appendJSON(out, e); err != nil {
				return nil, err
			}
			if len(out) > MaxTextBytes {
				return nil, errTextTooLarge
			}
		}
		return append(out, ']'), nil
	}
	// Infinities and capsules: the library has the words for them.
	rest, err := ctyjson.Marshal(v, ty)
	return append(out, rest...), err
}

func appendJSONObject(out []byte, members map[string]cty.Value) ([]byte, error) {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	out = append(out, '{')
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendJSONString(out, name); err != nil {
			return nil, err
		}
		out = append(out, ':')
		if out, err = appendJSON(out, members[name]); err != nil {
			return nil, err
		}
		if len(out) > MaxTextBytes {
			return nil, errTextTooLarge
		}
	}
	return append(out, '}'), nil
}

func appendJSONString(out []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			return append(out, quoted...), err
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"'), nil
}
