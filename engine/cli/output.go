package cli

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/engine/view"
	"tidegate/hclspec"
)

func (a *app) outputCommand() *cobra.Command {
	var f configFlags
	var raw bool
	cmd := &cobra.Command{
		Use:   "output [NAME]",
		Short: "Show the values of outputs, as of the state",
		Long: "Show the values of all outputs, or of one, as the last apply stored them. Nothing else is\n" +
			"looked at. A sensitive value is never written, also not by --json or --raw: deliver it to\n" +
			"where it is needed with a sink.",
		Args:              atMost(1, "output"),
		ValidArgsFunction: a.outputNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case raw && f.json:
				return &usageError{"Invalid flags", "--raw and --json are two ways to write one value; give one of them."}
			case raw && len(args) == 0:
				return &usageError{"Output missing", "--raw writes one value: tidegate output --raw NAME."}
			}
			return a.output(cmd, &f, args, raw)
		},
	}
	f.addJSON(cmd.Flags(), "as JSON, in the shape of Terraform's")
	cmd.Flags().BoolVar(&raw, "raw", false, "the text, number or bool of one output as it is, without quotes or a line break")
	return f.onState(cmd)
}

func (a *app) output(cmd *cobra.Command, f *configFlags, args []string, raw bool) error {
	return a.withLedger(cmd, f, a.path(f.dir), func(r state.Reader, l *state.Ledger) error {
		outputs := map[string]view.Output{}
		for addr, row := range l.Outputs {
			if addr.Module != "" {
				continue
			}
			o := view.Output{Sensitive: row.Sensitive, Value: plan.Of(cty.NilVal)}
			if v, err := engine.OutputValue(cmd.Context(), r, row); err == nil {
				o.Value = plan.Of(v)
			}
			outputs[addr.Name] = o
		}
		switch {
		case len(args) > 0:
			return a.oneOutput(f, outputs, args[0], raw)
		case f.json:
			return view.OutputsJSON(a.Stdout, outputs)
		case len(outputs) == 0:
			a.report(hcl.Diagnostics{{
				Severity: hcl.DiagWarning, Summary: "No outputs",
				Detail: "The state has no outputs. Declare one in an output block, and apply.",
			}}, nil)
			return nil
		}
		return view.OutputsText(a.Stdout, outputs)
	})
}

func (a *app) oneOutput(f *configFlags, outputs map[string]view.Output, name string, raw bool) error {
	o, ok := outputs[name]
	refuse := func(summary, detail string, args ...any) error {
		return a.fail(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...)}}, nil, f.json)
	}
	switch {
	case !ok:
		hint := "One that was declared just now is there after the next apply."
		if near := hclspec.Nearest(name, slices.Sorted(maps.Keys(outputs))); near != "" {
			hint = fmt.Sprintf("Did you mean %s?", near)
		}
		return refuse("Not in the state", "The state has no output %s. %s", name, hint)
	case o.Sensitive:
		return refuse("Output is sensitive",
			"The value of %s is a secret, and secrets are never written here. Deliver it with a sink to where it is needed, or mark the output with nonsensitive() if it holds none.", name)
	case o.Value.IsAbsent():
		return refuse("Output cannot be read", "The stored value of %s cannot be read. Run as the user that the key of the state belongs to, or apply again.", name)
	case f.json:
		return view.OutputJSON(a.Stdout, o.Value.Value)
	case raw:
		text, err := convert.Convert(o.Value.Value, cty.String)
		if err != nil || text.IsNull() {
			return refuse("No text", "--raw writes a text, a number or a bool, and %s is %s. Use --json.", name, typeOfValue(o.Value.Value))
		}
		_, err = fmt.Fprint(a.Stdout, text.AsString())
		return err
	}
	_, err := fmt.Fprintln(a.Stdout, view.Value(o.Value.Value))
	return err
}

func typeOfValue(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	return "of type " + v.Type().FriendlyName()
}

// outputNames completes the outputs that the state has.
func (a *app) outputNames(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	path := cmd.Flags().Lookup("state").Value.String()
	if path == "" {
		dir := a.path(cmd.Flags().Lookup("dir").Value.String())
		if path = engine.FindState(a.options(cmd, &configFlags{}, dir)); path == "" {
			path = filepath.Join(dir, engine.DefaultState)
		}
	}
	var names []string
	if path = a.path(path); exists(path) {
		if reader, err := state.OpenReader(cmd.Context(), a.stateOptions(cmd, path)); err == nil {
			defer reader.Close()
			if l, err := reader.Load(cmd.Context()); err == nil {
				for addr := range l.Outputs {
					names = append(names, addr.Name)
				}
			}
		}
	}
	slices.Sort(names)
	return starting(names, prefix), cobra.ShellCompDirectiveNoFileComp
}
