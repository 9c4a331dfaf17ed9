package hclspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/hclspec/address"
)

// labelsOf maps the block types of the language to the names of their labels.
var labelsOf = map[string][]string{
	"tidegate":   nil,
	"variable":   {"NAME"},
	"locals":     nil,
	"output":     {"NAME"},
	"module":     {"NAME"},
	"moved":      nil,
	"removed":    nil,
	"check":      {"NAME"},
	"source":     {"KIND", "NAME"},
	"detector":   {"KIND", "NAME"},
	"rule":       {"KIND", "NAME"},
	"rate_limit": {"KIND", "NAME"},
	"sink":       {"KIND", "NAME"},
}

var blockTypes = slices.Sorted(maps.Keys(labelsOf))

// foreign holds block types that a user of Terraform may try, and what to do instead.
var foreign = map[string]string{
	"import":    "nothing needs to be imported. A target that already holds the wanted content is adopted.",
	"run":       "tests stand in files of their own, named *.test.hcl.",
	"mock":      "tests stand in files of their own, named *.test.hcl.",
	"terraform": "settings are in the tidegate block.",
	"resource":  "what Terraform calls a resource is a sink here.",
	"data":      "what Terraform calls a data source is a source here.",
	"provider":  "kinds are built in and need no provider block.",
}

// A declaration is one thing that a file declares, decoded without a look at other files.
// Exactly one of its parts is set, or none where the names are no names.
type declaration struct {
	thing any       // *Block, *Variable, *Local, *Output, *Check, *ModuleCall, or *hcl.Block for settings
	wrong *mistakes // nil for none
}

// mistakes are kept as long as the declaration is: mostly there are none.
type mistakes struct {
	names  hcl.Diagnostics // what is wrong with its names
	inside hcl.Diagnostics // and with the rest; not reported of a duplicate
}

func declared(thing any, names, inside hcl.Diagnostics) declaration {
	if len(names)+len(inside) == 0 {
		return declaration{thing: thing}
	}
	return declaration{thing, &mistakes{names, inside}}
}

func declare(b *hcl.Block) []declaration {
	switch b.Type {
	case "tidegate":
		return []declaration{{thing: b}}
	case "variable":
		return []declaration{declareVariable(b)}
	case "locals":
		return declareLocals(b)
	case "output":
		return []declaration{declareOutput(b)}
	case "module":
		return []declaration{declareModule(b)}
	case "moved":
		return []declaration{declareMoved(b)}
	case "removed":
		return []declaration{declareRemoved(b)}
	case "check":
		return []declaration{declareCheck(b)}
	}
	return []declaration{declareBlock(b)}
}

func declareBlock(b *hcl.Block) declaration {
	if diags := validNames(b); diags.HasErrors() {
		return declared(nil, diags, nil)
	}
	typ := address.Type(b.Type)
	repeated, body, diags := repetition(b.Body, typ)
	return declared(&Block{
		Address:    address.Of(typ, b.Labels[0], b.Labels[1]),
		Repetition: repeated,
		Body:       body,
		DefRange:   headerRange(b),
	}, nil, diags)
}

// A merger puts the declarations of all files into a Spec, one after the other. Of two with
// one name the first counts.
type merger struct {
	spec     *Spec
	settings []*hcl.Block
}

func (m *merger) declare(d declaration) hcl.Diagnostics {
	wrong := d.wrong
	if wrong == nil {
		wrong = &mistakes{}
	}
	diags := slices.Clip(wrong.names)
	if diag := m.add(d.thing); diag != nil {
		return append(diags, diag)
	}
	return append(diags, wrong.inside...)
}

// add returns what is wrong with a second declaration of a name.
func (m *merger) add(thing any) *hcl.Diagnostic {
	s := m.spec
	switch t := thing.(type) {
	case *hcl.Block:
		m.settings = append(m.settings, t)
	case *Block:
		if first, ok := s.blocks[t.Address]; ok {
			return duplicate(t.DefRange, string(t.Address.Type), t.Address.String(), first.DefRange)
		}
		s.blocks[t.Address] = t
		s.Blocks = append(s.Blocks, t)
	case *Variable:
		if first, ok := s.Variables[t.Name]; ok {
			return duplicate(t.DefRange, "variable", "The variable "+t.Name, first.DefRange)
		}
		s.Variables[t.Name] = t
	case *Local:
		if first, ok := s.Locals[t.Name]; ok {
			return duplicate(t.DefRange, "local value", "local."+t.Name, first.DefRange)
		}
		s.Locals[t.Name] = t
	case *Output:
		if first, ok := s.Outputs[t.Name]; ok {
			return duplicate(t.DefRange, "output", "The output "+t.Name, first.DefRange)
		}
		if t.Expr != nil { // nobody should meet a nil expression
			s.Outputs[t.Name] = t
		}
	case *Check:
		if first, ok := s.Checks[t.Name]; ok {
			return duplicate(t.DefRange, "check", "The check "+t.Name, first.DefRange)
		}
		s.Checks[t.Name] = t
	case *Moved:
		s.Moved = append(s.Moved, t)
	case *Removed:
		s.Removed = append(s.Removed, t)
	case *ModuleCall:
		if first, ok := s.Modules[t.Name]; ok {
			return duplicate(t.DefRange, "module", "The module "+t.Name, first.DefRange)
		}
		s.Modules[t.Name] = t
	}
	return nil
}

// finish decodes what needs the whole: the settings, of which there is at most one.
func (m *merger) finish() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, b := range m.settings {
		if i > 0 {
			diags = append(diags, errorAt(b.DefRange, "Duplicate tidegate block",
				"A configuration has at most one tidegate block; the first is at %s. Move the settings there.", m.settings[0].DefRange))
			continue
		}
		diags = append(diags, m.spec.decodeSettings(b)...)
	}
	return diags
}

func duplicate(rng hcl.Range, what, name string, first hcl.Range) *hcl.Diagnostic {
	return errorAt(rng, "Duplicate "+what, "%s is already declared at %s. Rename one of them.", name, first)
}

// headerRange is the place of a block's type and labels. hcl/json gives the opening
// brace, which all labels of one object share.
func headerRange(b *hcl.Block) hcl.Range {
	if n := len(b.LabelRanges); n > 0 && b.DefRange.Start.Byte > b.LabelRanges[n-1].Start.Byte {
		return b.LabelRanges[n-1]
	}
	return b.DefRange
}

// validNames checks that labels can be written in references.
func validNames(b *hcl.Block) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, label := range b.Labels {
		if hclsyntax.ValidIdentifier(label) {
			continue
		}
		diags = append(diags, errorAt(b.LabelRanges[i], "Invalid name",
			"%q cannot be the %s of this %s: it must start with a letter or underscore and hold only letters, digits, underscores and dashes.",
			label, strings.ToLower(labelsOf[b.Type][i]), b.Type))
	}
	return diags
}

// topLevel returns the known blocks of a file's body by position, with the right number
// of labels each, and complaints about everything else.
func topLevel(body hcl.Body) (hcl.Blocks, hcl.Diagnostics) {
	if native, ok := body.(*hclsyntax.Body); ok {
		return nativeTopLevel(native)
	}
	return jsonTopLevel(body)
}

func nativeTopLevel(body *hclsyntax.Body) (hcl.Blocks, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	for name, attr := range body.Attributes {
		diags = append(diags, strayAttribute(name, attr.NameRange))
	}
	blocks := make(hcl.Blocks, 0, len(body.Blocks))
	for _, b := range body.Blocks {
		labels, known := labelsOf[b.Type]
		switch {
		case !known:
			diags = append(diags, unknownBlock(b.Type, b.TypeRange))
		case len(b.Labels) != len(labels):
			diags = append(diags, wrongLabels(b))
		default:
			blocks = append(blocks, b.AsHCLBlock())
		}
	}
	return blocks, diags
}

func strayAttribute(name string, rng hcl.Range) *hcl.Diagnostic {
	hint := "Only blocks stand at the top level of a file; named values go into a locals block."
	if _, ok := labelsOf[name]; ok {
		hint = fmt.Sprintf("%s is a block: write %s, without an equals sign.", name, form(name))
	}
	return errorAt(rng, "Unexpected attribute", "%s", hint)
}

func unknownBlock(typ string, rng hcl.Range) *hcl.Diagnostic {
	if hint, ok := foreign[typ]; ok {
		return errorAt(rng, "Unsupported block type", "There are no %s blocks: %s", typ, hint)
	}
	hint := didYouMean(typ, blockTypes)
	if hint == "" {
		hint = " The block types are " + strings.Join(blockTypes, ", ") + "."
	}
	return errorAt(rng, "Unsupported block type", "There are no %s blocks.%s", typ, hint)
}

func wrongLabels(b *hclsyntax.Block) *hcl.Diagnostic {
	labels := labelsOf[b.Type]
	rng := b.TypeRange
	summary := "Missing label"
	if len(b.Labels) > len(labels) {
		rng = b.LabelRanges[len(labels)]
		summary = "Extra label"
	}
	return errorAt(rng, summary, "This block is written %s.", form(b.Type))
}

// form shows how a block of the type begins.
func form(typ string) string {
	var s strings.Builder
	s.WriteString(typ)
	for _, l := range labelsOf[typ] {
		fmt.Fprintf(&s, " %q", l)
	}
	return s.String() + " { ... }"
}

var jsonSchema = func() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, t := range blockTypes {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: t, LabelNames: labelsOf[t]})
	}
	return s
}()

// jsonTopLevel asks with a schema, since JSON does not tell blocks from attributes.
func jsonTopLevel(body hcl.Body) (hcl.Blocks, hcl.Diagnostics) {
	content, rest, diags := body.PartialContent(jsonSchema)
	stray, _ := rest.JustAttributes()
	for _, attr := range stray {
		diags = append(diags, unknownBlock(attr.Name, attr.NameRange))
	}
	slices.SortStableFunc(content.Blocks, func(a, b *hcl.Block) int {
		return a.DefRange.Start.Byte - b.DefRange.Start.Byte
	})
	return content.Blocks, diags
}
