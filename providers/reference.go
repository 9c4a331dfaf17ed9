package providers

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// BlockTypes are the types of blocks that have kinds, in the order of a value's way.
var BlockTypes = []string{"source", "detector", "rule", "rate_limit", "sink"}

var blockTypeTexts = map[string]string{
	"source": `A source is where one value comes from. Its address is ` + "`source.KIND.NAME`" + `; expressions read
` + "`value`" + ` (decoded), ` + "`text`" + ` (as fetched), ` + "`version`" + ` and ` + "`changed_at`" + ` of the accepted snapshot.

A source that fails changes nothing: its accepted value stays in use. What is missing is an error,
never an empty value. A source that never had a value is unknown, and whatever uses it waits.`,
	"detector": `A detector says when a source is looked at again, and which differences count. It is declared once
and listed in the ` + "`detectors`" + ` of the sources that use it. With several on one source the earliest look
serves all, their ` + "`ignore`" + ` lists unite, and the lowest ` + "`failure_threshold`" + ` counts.`,
	"rule": `A rule says what a candidate must satisfy to be accepted. It is declared once and listed in the
` + "`rules`" + ` of sources and sinks. All findings of all rules come at once. A rejected candidate changes
nothing: the accepted value stays in use.`,
	"rate_limit": `A rate limit says how often updates may pass: acceptances on a source, deliveries on a sink. All that
are listed in ` + "`rate_limits`" + ` must allow. It defers and coalesces: the newest value waits for its turn
and older ones are superseded, so that the last value is never dropped. One delivery counts once;
retries do not count. Counters survive restarts.`,
	"sink": `A sink is where a value goes. It counts as written only when the whole delivery was acknowledged; a
failed or interrupted delivery stays pending, survives a restart, and is tried again.`,
}

// Reference returns the reference pages of the given kinds, by path: an index, a page for
// each block type with what all its kinds have in common, and a page for each kind.
func Reference(kinds []*Kind) map[string][]byte {
	pages := map[string][]byte{"README.md": index(kinds)}
	for _, k := range kinds {
		pages[k.Type+"/"+k.Name+".md"] = Markdown(k)
	}
	for _, typ := range BlockTypes {
		if of := ofType(kinds, typ); len(of) > 0 {
			pages[typ+".md"] = blockTypePage(typ, of)
		}
	}
	return pages
}

func ofType(kinds []*Kind, typ string) []*Kind {
	var of []*Kind
	for _, k := range kinds {
		if k.Type == typ {
			of = append(of, k)
		}
	}
	slices.SortFunc(of, func(a, b *Kind) int { return strings.Compare(a.Name, b.Name) })
	return of
}

func index(kinds []*Kind) []byte {
	var out bytes.Buffer
	out.WriteString("# Reference\n\nThe blocks of the language and their built-in kinds. These pages are generated from the kinds'\ndeclarations. Beside them, the [functions](functions.md) of expressions.\n")
	for _, typ := range BlockTypes {
		of := ofType(kinds, typ)
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(&out, "\n## [%s](%s.md)\n\n", typ, typ)
		listKinds(&out, of)
	}
	return out.Bytes()
}

func listKinds(out *bytes.Buffer, of []*Kind) {
	for _, k := range of {
		fmt.Fprintf(out, "- [`%s \"%s\"`](%s/%s.md): %s\n", k.Type, k.Name, k.Type, k.Name, k.Summary)
	}
}

func blockTypePage(typ string, of []*Kind) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n\n%s\n\n## Kinds\n\n", typ, blockTypeTexts[typ])
	listKinds(&out, of)
	common := halfOf(true, of[0].Schema)
	if len(common.Attributes)+len(common.Blocks) > 0 {
		fmt.Fprintf(&out, "\n## Attributes of every %s\n", typ)
		writeSchema(&out, "###", "", common)
	}
	return out.Bytes()
}

// Markdown returns a kind's reference page.
func Markdown(k *Kind) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s \"%s\"\n\n%s\n\n%s\n", k.Type, k.Name, k.Summary, strings.TrimSpace(k.Description))
	fmt.Fprintf(&out, "\n## Example\n\n```hcl\n%s\n```\n", bytes.TrimSpace(hclwrite.Format([]byte(k.Example))))
	own := halfOf(false, k.Schema)
	out.WriteString("\n## Attributes\n")
	if len(own.Attributes)+len(own.Blocks) == 0 {
		out.WriteString("\nNone of its own.\n")
	}
	writeSchema(&out, "###", "", own)
	if k.Type == "source" {
		writeDetectors(&out, k)
	}
	if common := halfOf(true, k.Schema); len(common.Attributes)+len(common.Blocks) > 0 {
		fmt.Fprintf(&out, "\n## Attributes of every %s\n\n%s. See [%s](../%s.md).\n", k.Type, nameList(common), k.Type, k.Type)
	}
	return out.Bytes()
}

// halfOf returns the schema's own or its common half.
func halfOf(common bool, s *Schema) *Schema {
	out := &Schema{}
	for _, a := range s.Attributes {
		if a.Common == common {
			out.Attributes = append(out.Attributes, a)
		}
	}
	for _, b := range s.Blocks {
		if b.Common == common {
			out.Blocks = append(out.Blocks, b)
		}
	}
	return out
}

func writeDetectors(out *bytes.Buffer, k *Kind) {
	out.WriteString("\n## Detectors\n\n")
	if len(k.Detectors) == 0 {
		out.WriteString("None: it is read once for each version of the configuration.\n")
		return
	}
	words := make([]string, len(k.Detectors))
	for i, d := range k.Detectors {
		words[i] = fmt.Sprintf("[`%s`](../detector/%s.md)", d, d)
	}
	words[0] += " (its default)"
	fmt.Fprintf(out, "It can be served by %s.\n", strings.Join(words, ", "))
}

func nameList(s *Schema) string {
	var words []string
	for _, a := range s.Attributes {
		words = append(words, "`"+a.Name+"`")
	}
	for _, b := range s.Blocks {
		words = append(words, "`"+b.Name+" {}`")
	}
	return strings.Join(words, ", ")
}

// writeSchema writes a table of the attributes and then a section for each nested block.
func writeSchema(out *bytes.Buffer, heading, prefix string, s *Schema) {
	if len(s.Attributes) > 0 {
		out.WriteString("\n| name | type | default | meaning |\n|---|---|---|---|\n")
	}
	for _, a := range required(s.Attributes) {
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", a.Name, a.TypeName(), defaultOf(a), cell(meaning(a)))
	}
	for _, b := range s.Blocks {
		name := strings.TrimSpace(prefix + " " + b.Name)
		fmt.Fprintf(out, "\n%s Block `%s`\n\n%s", heading, name, b.Doc)
		switch {
		case b.Required && b.Repeated:
			out.WriteString(" At least one is required.")
		case b.Required:
			out.WriteString(" It is required.")
		case b.Repeated && !strings.Contains(b.Doc, "repeated"):
			out.WriteString(" It may be repeated.")
		}
		out.WriteString("\n")
		writeSchema(out, heading+"#", name, b.Schema)
	}
}

// required returns the attributes, those that are required first.
func required(all []*Attribute) []*Attribute {
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(a, b *Attribute) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

func defaultOf(a *Attribute) string {
	switch {
	case a.Required:
		return "required"
	case a.Default != "":
		return "`" + a.Default + "`"
	case a.Type == cty.Bool:
		return "`false`"
	}
	return ""
}

func meaning(a *Attribute) string {
	out := a.Doc
	if len(a.Values) > 0 {
		out += " One of `" + strings.Join(a.Values, "`, `") + "`."
	}
	if a.Credential {
		out += " Always treated as sensitive."
	}
	return out
}

// cell writes text so that it stays in its cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "*", `\*`, "<", "&lt;").Replace(s)
}
