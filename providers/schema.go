package providers

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
)

// Schema describes the attributes and nested blocks of a block. It is derived from the
// struct that the block is decoded into, whose tags are gohcl's and a few of ours:
//
//	hcl:"name[,optional|block]"  as in gohcl
//	doc:"..."                    one or two sentences for the reference page
//	values:"a,b"                 the only texts allowed
//	credential:"true"            the value is marked as sensitive whatever it came from
//
// A field of type hcl.Expression is kept as it is written and never evaluated with the block;
// a Duration is checked; a cty.Value takes a value of any type.
type Schema struct {
	Attributes []*Attribute
	Blocks     []*NestedBlock
}

// Attribute describes one attribute.
type Attribute struct {
	Name       string
	Doc        string
	Type       cty.Type // cty.DynamicPseudoType for any
	Required   bool
	Credential bool
	Expression bool // kept as an expression: a condition, or a list of references
	Duration   bool
	Values     []string
	Default    string // as it would be written, "" for none
	Common     bool   // every kind of the block type has it

	field int // index in the struct it is decoded into
}

// TypeName returns the attribute's type as the documentation names it.
func (a *Attribute) TypeName() string {
	switch {
	case a.Duration:
		return "duration"
	case a.Expression && (a.Name == "condition" || a.Name == "error_message"):
		return "expression"
	case a.Expression && a.Name == "triggers":
		return "list of values"
	case a.Expression:
		return "list of references"
	case a.Type == cty.DynamicPseudoType:
		return "any"
	case a.Type.IsListType():
		return "list of " + a.Type.ElementType().FriendlyName()
	case a.Type.IsMapType():
		return "map of " + a.Type.ElementType().FriendlyName()
	}
	return a.Type.FriendlyName()
}

// NestedBlock describes one type of nested block.
type NestedBlock struct {
	Name     string
	Doc      string
	Repeated bool
	Required bool // at least one
	Common   bool
	*Schema

	field int
	typ   reflect.Type // of one block's struct
}

// Attribute returns the named attribute, nil if there is none.
func (s *Schema) Attribute(name string) *Attribute {
	for _, a := range s.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Block returns the named nested block, nil if there is none.
func (s *Schema) Block(name string) *NestedBlock {
	for _, b := range s.Blocks {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// body returns the schema as hcl wants it. Required attributes are left to us, since the
// same schema also reads bodies that hold only a part.
func (s *Schema) body() *hcl.BodySchema {
	out := &hcl.BodySchema{}
	for _, a := range s.Attributes {
		out.Attributes = append(out.Attributes, hcl.AttributeSchema{Name: a.Name, Required: a.Required})
	}
	for _, b := range s.Blocks {
		out.Blocks = append(out.Blocks, hcl.BlockHeaderSchema{Type: b.Name})
	}
	if len(s.Blocks) > 0 {
		out.Blocks = append(out.Blocks, dynamicHeader)
	}
	return out
}

var (
	expressionType = reflect.TypeFor[hcl.Expression]()
	durationType   = reflect.TypeFor[Duration]()
	valueType      = reflect.TypeFor[cty.Value]()
)

// schemaOf derives the schema of a struct whose fields hold the defaults. A struct that is
// not shaped as Schema says is a mistake of ours, found at start by every test: it panics.
func schemaOf(v reflect.Value, common bool) *Schema {
	s := &Schema{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, ok := field.Tag.Lookup("hcl")
		if !ok {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		switch option {
		case "block":
			b := nestedOf(name, field, v.Field(i), common)
			b.field = i
			s.Blocks = append(s.Blocks, b)
		case "", "attr", "optional":
			a := attributeOf(name, option != "optional", field, v.Field(i), common)
			a.field = i
			s.Attributes = append(s.Attributes, a)
		default:
			panic(fmt.Sprintf("%s.%s: tag option %q is not supported", v.Type(), field.Name, option))
		}
	}
	return s
}

func attributeOf(name string, required bool, field reflect.StructField, v reflect.Value, common bool) *Attribute {
	a := &Attribute{
		Name: name, Doc: field.Tag.Get("doc"), Required: required, Common: common,
		Credential: field.Tag.Get("credential") == "true",
		Expression: field.Type == expressionType,
		Type:       cty.DynamicPseudoType,
	}
	if values := field.Tag.Get("values"); values != "" {
		a.Values = strings.Split(values, ",")
	}
	typ := field.Type
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	a.Duration = typ == durationType
	if a.Expression || typ == valueType {
		return a
	}
	implied, err := gocty.ImpliedType(reflect.Zero(typ).Interface())
	if err != nil {
		panic(fmt.Sprintf("attribute %s: %v", name, err))
	}
	a.Type = implied
	a.Default = written(v)
	return a
}

// written returns a default value as one would write it, "" for a zero value.
func written(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	} else if v.IsZero() {
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			if parts[i] = written(v.Index(i)); parts[i] == "" { // a zero that somebody wrote
				parts[i] = fmt.Sprintf("%#v", v.Index(i).Interface())
			}
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

func nestedOf(name string, field reflect.StructField, v reflect.Value, common bool) *NestedBlock {
	b := &NestedBlock{Name: name, Doc: field.Tag.Get("doc"), Common: common}
	typ := field.Type
	if typ.Kind() == reflect.Slice {
		b.Repeated = true
		typ = typ.Elem()
		v = reflect.Zero(typ)
	}
	b.Required = field.Tag.Get("required") == "true"
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
		if v.IsNil() {
			v = reflect.Zero(typ)
		} else {
			v = v.Elem()
		}
	}
	b.typ = typ
	b.Schema = schemaOf(v, common)
	return b
}

// isCredential reports whether the named attribute, also "block.attribute", is a credential.
func (s *Schema) isCredential(name string) bool {
	if block, rest, ok := strings.Cut(name, "."); ok {
		b := s.Block(block)
		return b != nil && b.isCredential(rest)
	}
	a := s.Attribute(name)
	return a != nil && a.Credential
}
