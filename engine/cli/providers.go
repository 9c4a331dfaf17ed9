package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tidegate/engine/view"
	"tidegate/hclspec"
	"tidegate/providers"
)

func (a *app) providersCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "providers [KIND]",
		Short: "Show the kinds of blocks and their schemas",
		Long: "Without KIND, list all kinds. With one (\"http\", or \"sink.http\" where several block types\n" +
			"have it), show its attributes and blocks.",
		Args: atMost(1, "kind"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kinds, err := a.kinds(args)
			switch {
			case err != nil:
				return err
			case asJSON:
				return kindsJSON(a.Stdout, kinds)
			case len(args) == 0:
				return kindList(a.Stdout, kinds)
			}
			for i, k := range kinds {
				if i > 0 {
					fmt.Fprintln(a.Stdout)
				}
				a.kindText(a.Stdout, k)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the schemas as JSON")
	return cmd
}

// kinds returns the kinds that the argument names.
func (a *app) kinds(args []string) ([]*providers.Kind, error) {
	all := a.registry.Kinds()
	if len(args) == 0 {
		return all, nil
	}
	var out []*providers.Kind
	var names []string
	for _, k := range all {
		names = append(names, k.Name, k.Type+"."+k.Name)
		if args[0] == k.Name || args[0] == k.Type+"."+k.Name || args[0] == k.Type {
			out = append(out, k)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	hint := "\"tidegate providers\" lists all."
	if near := hclspec.Nearest(args[0], names); near != "" {
		hint = fmt.Sprintf("Did you mean %q?", near)
	}
	return nil, &usageError{"Unknown kind", fmt.Sprintf("There is no kind %q. %s", args[0], hint)}
}

func kindList(w io.Writer, kinds []*providers.Kind) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "TYPE\tKIND\tSUMMARY")
	for _, k := range kinds {
		fmt.Fprintf(table, "%s\t%s\t%s\n", k.Type, k.Name, k.Summary)
	}
	return table.Flush()
}

func (a *app) kindText(w io.Writer, k *providers.Kind) {
	s := a.style(w)
	fmt.Fprintf(w, "%s %q\n", k.Type, k.Name)
	_ = view.Prose(w, 2, k.Summary, s)
	if len(k.Detectors) > 0 {
		_ = view.Prose(w, 2, "Detectors: "+strings.Join(k.Detectors, ", ")+".", s)
	}
	schemaText(w, k.Schema, 2, s)
}

func schemaText(w io.Writer, schema *providers.Schema, indent int, s view.Style) {
	pad := strings.Repeat(" ", indent)
	for _, attr := range schema.Attributes {
		fmt.Fprintf(w, "\n%s%s (%s)\n", pad, attr.Name, attributeNotes(attr))
		_ = view.Prose(w, indent+4, attr.Doc, s)
	}
	for _, b := range schema.Blocks {
		word := "block"
		if b.Repeated {
			word = "block, repeated"
		}
		fmt.Fprintf(w, "\n%s%s { } (%s)\n", pad, b.Name, word)
		if b.Doc != "" {
			_ = view.Prose(w, indent+4, b.Doc, s)
		}
		schemaText(w, b.Schema, indent+4, s)
	}
}

func attributeNotes(attr *providers.Attribute) string {
	notes := []string{attr.TypeName()}
	if attr.Required {
		notes = append(notes, "required")
	}
	if len(attr.Values) > 0 {
		notes = append(notes, "one of "+strings.Join(attr.Values, ", "))
	}
	if attr.Default != "" {
		notes = append(notes, "default "+attr.Default)
	}
	if attr.Credential {
		notes = append(notes, "sensitive")
	}
	return strings.Join(notes, ", ")
}

type kindJSON struct {
	Type        string   `json:"type"`
	Name        string   `json:"name"`
	Summary     string   `json:"summary"`
	Description string   `json:"description,omitempty"`
	Example     string   `json:"example,omitempty"`
	Detectors   []string `json:"detectors,omitempty"`
	schemaJSON
}

type schemaJSON struct {
	Attributes []attributeJSON `json:"attributes"`
	Blocks     []blockJSON     `json:"blocks,omitempty"`
}

type attributeJSON struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Description string   `json:"description,omitempty"`
	Required    bool     `json:"required"`
	Sensitive   bool     `json:"sensitive,omitempty"`
	Values      []string `json:"values,omitempty"`
	Default     string   `json:"default,omitempty"`
	Common      bool     `json:"common,omitempty"`
}

type blockJSON struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Repeated    bool   `json:"repeated,omitempty"`
	Required    bool   `json:"required,omitempty"`
	schemaJSON
}

func kindsJSON(w io.Writer, kinds []*providers.Kind) error {
	out := struct {
		FormatVersion string     `json:"format_version"`
		Kinds         []kindJSON `json:"kinds"`
	}{FormatVersion: "1.0", Kinds: []kindJSON{}}
	for _, k := range kinds {
		out.Kinds = append(out.Kinds, kindJSON{
			Type: k.Type, Name: k.Name, Summary: k.Summary, Description: strings.TrimSpace(k.Description),
			Example: strings.TrimSpace(k.Example), Detectors: k.Detectors, schemaJSON: schemaOf(k.Schema),
		})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func schemaOf(s *providers.Schema) schemaJSON {
	out := schemaJSON{Attributes: []attributeJSON{}}
	for _, attr := range s.Attributes {
		out.Attributes = append(out.Attributes, attributeJSON{
			Name: attr.Name, Type: attr.TypeName(), Description: attr.Doc, Required: attr.Required,
			Sensitive: attr.Credential, Values: attr.Values, Default: attr.Default, Common: attr.Common,
		})
	}
	for _, b := range s.Blocks {
		out.Blocks = append(out.Blocks, blockJSON{
			Name: b.Name, Description: b.Doc, Repeated: b.Repeated, Required: b.Required, schemaJSON: schemaOf(b.Schema),
		})
	}
	return out
}
