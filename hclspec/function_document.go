package hclspec

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/hclspec/decode"
	"tidegate/hclspec/encode"
)

// ownFunctions are those that Terraform does not have.
var ownFunctions = map[string]function.Function{
	"csvencode": csvEncodeFunc,
	"deepmerge": deepMergeFunc,
	"envdecode": decodeFunc(decode.Env,
		"Reads assignments as a .env file has them: an object of texts."),
	"envencode": encodeFunc(encode.Env,
		"Writes an object of texts, numbers and bools as NAME=value, one a line."),
	"hcldecode": decodeFunc(decode.HCL,
		"Reads a document in HCL whose values are constants; blocks are lists of objects under their type and labels."),
	"inidecode": decodeFunc(decode.INI,
		"Reads sections of keys and values: an object of texts, and of an object for each section."),
	"iniencode": encodeFunc(encode.INI,
		"Writes an object as key = value, and the objects in it as sections."),
	"propertiesdecode": decodeFunc(decode.Properties,
		"Reads properties as Java does: an object of texts whose keys keep their dots."),
	"propertiesencode": encodeFunc(encode.Properties,
		"Writes an object of texts, numbers and bools as properties of Java, in ASCII."),
	"tomldecode": decodeFunc(decode.TOML,
		"Reads a document in TOML 1.0; dates and times are texts."),
	"tomlencode": encodeFunc(encode.TOML,
		"Writes an object as a document in TOML 1.0."),
}

// decodeFunc reads a document as a source with that decoder does.
func decodeFunc(format decode.Format, description string) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "src", Type: cty.String}},
		Type:        function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := decode.Decode(format, []byte(args[0].AsString()), decode.Limits{})
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return v, nil
		},
	})
}

// encodeFunc writes a value as a document.
func encodeFunc(write func(cty.Value) (string, error), description string) function.Function {
	return function.New(&function.Spec{
		Description:  description,
		Params:       []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(cty.String), nil
			}
			if err := documentBound(args); err != nil {
				return cty.NilVal, err
			}
			out, err := write(args[0])
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(out), nil
		},
	})
}

var csvEncodeFunc = function.New(&function.Spec{
	Description: "Writes a list of objects as CSV with a line of names: the columns that are given, or else all attributes by name.",
	Params:      []function.Parameter{{Name: "rows", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
	VarParam:    &function.Parameter{Name: "columns", Type: cty.DynamicPseudoType},
	Type: func(args []cty.Value) (cty.Type, error) {
		if len(args) > 2 {
			return cty.NilType, errors.New("csvencode() takes one or two arguments: the rows, and a list of columns")
		}
		return cty.String, nil
	},
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var columns []string
		if len(args) == 2 {
			list, err := convert.Convert(args[1], cty.List(cty.String))
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(1, "the columns are a list of texts")
			}
			if !list.IsWhollyKnown() {
				return cty.UnknownVal(cty.String), nil
			}
			for _, c := range list.AsValueSlice() {
				if c.IsNull() {
					return cty.NilVal, function.NewArgErrorf(1, "the columns are a list of texts, and one is null")
				}
				columns = append(columns, c.AsString())
			}
		}
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(cty.String), nil
		}
		if err := documentBound(args); err != nil {
			return cty.NilVal, err
		}
		out, err := encode.CSV(args[0], columns)
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return cty.StringVal(out), nil
	},
})

// documentBound is for a value that is written as a text.
func documentBound(args []cty.Value) error {
	s := sizeOf(args[0])
	switch {
	case s.tooMany():
		return errTooManyParts
	case s.outOfRange, s.infinite:
		return errors.New("a number in it is larger than 1e4900 or nearer to zero than 1e-4900; write it as a text")
	}
	return textBound(s.bytes)
}
