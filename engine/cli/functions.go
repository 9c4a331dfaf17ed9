package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tidegate/engine/view"
	"tidegate/hclspec"
)

func (a *app) functionsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "functions [FUNCTION]",
		Short: "Show the functions of expressions",
		Long: "Without FUNCTION, list all functions. With one, show how it is called. --json prints what\n" +
			"\"terraform metadata functions -json\" does.",
		Args:              atMost(1, "function"),
		ValidArgsFunction: functionNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			all := hclspec.Signatures()
			if len(args) > 0 {
				name := args[0]
				s := all[name]
				if s == nil {
					return unknownFunction(name, all)
				}
				if !asJSON {
					a.functionText(a.Stdout, name, s)
					return nil
				}
				return functionsJSON(a.Stdout, map[string]*hclspec.Signature{name: s})
			}
			if asJSON {
				for name, s := range maps.Clone(all) {
					if hclspec.InCore(name) {
						all[hclspec.CoreNamespace+name] = s
					}
				}
				return functionsJSON(a.Stdout, all)
			}
			return functionList(a.Stdout, all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the signatures as JSON, in the shape of Terraform's")
	return cmd
}

func functionNames(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return starting(slices.Sorted(maps.Keys(hclspec.Signatures())), prefix), cobra.ShellCompDirectiveNoFileComp
}

func unknownFunction(name string, all map[string]*hclspec.Signature) error {
	hint := "\"tidegate functions\" lists all."
	if near := hclspec.Nearest(name, slices.Sorted(maps.Keys(all))); near != "" {
		hint = fmt.Sprintf("Did you mean %q?", near)
	}
	return &usageError{"Unknown function", fmt.Sprintf("There is no function %q. %s", name, hint)}
}

func functionList(w io.Writer, all map[string]*hclspec.Signature) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(table, "%s\t%s\n", name, all[name].Call(""))
	}
	return table.Flush()
}

func (a *app) functionText(w io.Writer, name string, s *hclspec.Signature) {
	style := a.style(w)
	fmt.Fprintf(w, "%s %s\n", s.Call(name), s.ReturnType.FriendlyNameForConstraint())
	_ = view.Prose(w, 2, s.Description, style)
	show := func(p *hclspec.Parameter, notes string) {
		if p.IsNullable {
			notes += ", may be null"
		}
		fmt.Fprintf(w, "\n  %s (%s%s)\n", p.Name, p.Type.FriendlyNameForConstraint(), notes)
		if p.Description != "" {
			_ = view.Prose(w, 6, p.Description, style)
		}
	}
	for _, p := range s.Parameters {
		show(&p, "")
	}
	if s.Variadic != nil {
		show(s.Variadic, ", any number")
	}
}

func functionsJSON(w io.Writer, signatures map[string]*hclspec.Signature) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		FormatVersion string                        `json:"format_version"`
		Signatures    map[string]*hclspec.Signature `json:"function_signatures"`
	}{"1.0", signatures})
}
