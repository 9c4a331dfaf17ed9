package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine"
	"tidegate/engine/view"
	"tidegate/hclspec"
)

// graphFormats write a graph.
var graphFormats = map[string]func(io.Writer, view.Graph) error{
	"dot": view.GraphDot, "svg": view.GraphSVG, "mermaid": view.GraphMermaid, "json": view.GraphJSON,
}

func (a *app) graphCommand() *cobra.Command {
	var f configFlags
	var format string
	var now bool
	formats := slices.Sorted(maps.Keys(graphFormats))
	cmd := &cobra.Command{
		Use:   "graph [DIR]",
		Short: "Draw what depends on what, and how it stands",
		Long: "Draw the graph of blocks: in Graphviz's language, as SVG, for Mermaid or as JSON. Sources\n" +
			"and sinks have their states as of the state, without looking at anything, or with --plan as of\n" +
			"a plan that is made now.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if graphFormats[format] == nil {
				hint := fmt.Sprintf("There are %s.", strings.Join(formats, ", "))
				if near := hclspec.Nearest(format, formats); near != "" {
					hint = fmt.Sprintf("Did you mean %s? %s", near, hint)
				}
				return &usageError{"Unknown format", fmt.Sprintf("--format %q is not known. %s", format, hint)}
			}
			f.json = format == "json"
			if now {
				return a.plannedGraph(cmd, &f, format, a.directory(args))
			}
			return a.graph(cmd, &f, format, a.directory(args))
		},
	}
	cmd.Flags().StringVar(&format, "format", "dot", "`FORMAT` of the graph: "+strings.Join(formats, ", "))
	cmd.Flags().BoolVar(&now, "plan", false, "look at all sources and targets, and show what a plan says of them")
	f.addState(cmd.Flags())
	f.addInputs(cmd.Flags())
	return cmd
}

// graph draws as of the state. What depends on what needs no values of variables.
func (a *app) graph(cmd *cobra.Command, f *configFlags, format, dir string) error {
	e, diags := engine.Validate(cmd.Context(), a.options(cmd, f, dir))
	defer e.Close()
	if diags.HasErrors() {
		return a.fail(diags, e.Files(), f.json)
	}
	var g view.Graph
	if err := ledgerStates(cmd.Context(), e, &g); err != nil {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "The graph has no states", Detail: sentence(err.Error()),
		})
	}
	a.report(diags, e.Files())
	if g.Graph == nil {
		g.Graph = e.Graph()
	}
	return graphFormats[format](a.Stdout, g)
}

func ledgerStates(ctx context.Context, e *engine.Engine, g *view.Graph) error {
	if e.StatePath() == "" {
		return fmt.Errorf("where the state is depends on what is not known here; name it with --state")
	}
	reader, err := e.State(ctx)
	if err != nil {
		return err
	}
	ledger, err := reader.Load(ctx)
	if err != nil {
		return err
	}
	e.Remember(ledger)
	g.Graph = e.Graph()
	g.States, g.AsOf = engine.LedgerStates(g.Nodes(), ledger), "the state"
	return nil
}

// plannedGraph draws as of a plan. A plan with failures is what somebody may want to see.
func (a *app) plannedGraph(cmd *cobra.Command, f *configFlags, format, dir string) error {
	var show progress
	opts := a.options(cmd, f, dir)
	opts.Events = show.Event
	e, err := a.load(cmd.Context(), opts, f.json)
	if err != nil {
		return err
	}
	defer e.Close()
	show.start(a, nil)
	p, diags := e.Plan(cmd.Context(), engine.PlanOptions{Brief: true})
	show.end()
	diags = append(e.diags, diags...)
	if stillborn(p, diags) {
		return a.fail(diags, e.Files(), f.json)
	}
	a.report(diags, e.Files())
	g := view.Graph{Graph: e.Graph(), States: engine.PlanStates(p), AsOf: "a plan made now"}
	if err := graphFormats[format](a.Stdout, g); err != nil || p.Failed() || diags.HasErrors() {
		return errFailed
	}
	return nil
}
