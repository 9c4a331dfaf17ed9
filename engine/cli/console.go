package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine/view"
)

func (a *app) consoleCommand() *cobra.Command {
	var f configFlags
	var keep bool
	cmd := &cobra.Command{
		Use:   "console [DIR]",
		Short: "Evaluate expressions",
		Long: "Evaluate expressions over the configuration and the accepted values of its sources, one\n" +
			"for each line. Where input is not from a terminal, an error does not end it.\n\n" +
			"On a terminal, the arrow keys bring back former lines and Tab completes names. Lines are\n" +
			"kept in a file that only its owner may read. Nobody can tell which of them hold a secret: one\n" +
			"that begins with a blank is not kept, and --history=false keeps none.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.console(cmd, &f, a.directory(args), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "history", true, "keep the lines that are typed on a terminal")
	f.addJSON(cmd.Flags(), "each value, or {\"error\": ...}, as one line of JSON")
	f.addState(cmd.Flags())
	f.addInputs(cmd.Flags())
	return cmd
}

func (a *app) console(cmd *cobra.Command, f *configFlags, dir string, keep bool) error {
	e, err := a.load(cmd.Context(), a.options(cmd, f, dir), f.json)
	if err != nil {
		return err
	}
	defer e.Close()
	a.report(e.diags, e.Files())
	c := &console{app: a, engine: e, json: f.json, out: a.Stdout, err: a.Stderr}
	if isTerminal(a.Stdin) && isTerminal(a.Stdout) && !f.json {
		path := ""
		if keep {
			path = a.historyPath()
		}
		return c.interactive(cmd.Context(), path)
	}
	return c.lines(cmd.Context())
}

type console struct {
	*app
	engine   *loaded
	json     bool
	out, err io.Writer
	failed   bool
}

// maxExpression bounds one line of input.
const maxExpression = 4 << 20

func (c *console) lines(ctx context.Context) error {
	in := bufio.NewScanner(c.Stdin)
	in.Buffer(nil, maxExpression)
	for in.Scan() && ctx.Err() == nil {
		if !c.line(ctx, in.Text()) {
			break
		}
	}
	if err := in.Err(); err != nil {
		c.fault(problem("Cannot read an expression", err), "")
	}
	if c.failed || ctx.Err() != nil {
		return errFailed
	}
	return nil
}

// line evaluates one line and reports whether to go on.
func (c *console) line(ctx context.Context, text string) bool {
	text = strings.TrimSpace(text)
	switch text {
	case "":
		return true
	case "exit", "quit":
		return false
	}
	v, diags := c.engine.Evaluate(ctx, text)
	if diags.HasErrors() {
		c.fault(diags, text)
		return true
	}
	if !c.json {
		c.warn(diags, text)
		fmt.Fprintln(c.out, view.Value(v))
		return true
	}
	data, err := view.ValueJSON(v)
	if err != nil {
		c.fault(problem("The value has no JSON", err), text)
		return true
	}
	fmt.Fprintln(c.out, string(data))
	return true
}

func (c *console) fault(diags hcl.Diagnostics, text string) {
	c.failed = true
	if c.json {
		_ = view.ErrorJSON(c.out, diags)
	}
	c.warn(diags, text)
}

func (c *console) warn(diags hcl.Diagnostics, text string) {
	files := map[string]*hcl.File{view.Console: {Bytes: []byte(text)}}
	_ = view.Diagnostics(c.err, diags, c.sources(files), c.style(c.Stderr))
}
