package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/engine/view"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// statePath finds the state of a configuration. A configuration with mistakes is no obstacle
// as long as a state is found: whoever looks at a state may be repairing it.
func (a *app) statePath(cmd *cobra.Command, f *configFlags, dir string) (string, error) {
	if f.state != "" {
		return filepath.Abs(a.path(f.state))
	}
	// Mostly it is there, and the rest of the configuration need not be read to ask it.
	if path := engine.FindState(a.options(cmd, f, dir)); path != "" {
		if _, err := os.Stat(path); err == nil {
			return filepath.Abs(path)
		}
	}
	e, diags := engine.Validate(cmd.Context(), a.options(cmd, f, dir))
	defer e.Close()
	path := e.StatePath()
	if path == "" {
		path = filepath.Join(dir, engine.DefaultState)
	}
	if _, err := os.Stat(path); err != nil && diags.HasErrors() {
		return "", a.fail(diags, e.Files(), f.json)
	}
	return filepath.Abs(path)
}

// reader opens the state for reading: without its lock, writing nothing.
func (a *app) reader(cmd *cobra.Command, f *configFlags, dir string) (state.Reader, error) {
	path, err := a.statePath(cmd, f, dir)
	if err != nil {
		return nil, a.reported("Cannot find the state", err, f.json)
	}
	reader, err := state.OpenReader(cmd.Context(), a.stateOptions(cmd, path))
	if err != nil {
		return nil, a.failWith("Cannot open the state", err, f.json)
	}
	return reader, nil
}

func (a *app) stateOptions(cmd *cobra.Command, path string) state.Options {
	return state.Options{Path: path, Command: cmd.CommandPath(), Version: hclspec.Version}
}

// reported says what went wrong unless that has been said.
func (a *app) reported(summary string, err error, asJSON bool) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	return a.failWith(summary, err, asJSON)
}

// withLedger reads the whole ledger and hands it over.
func (a *app) withLedger(cmd *cobra.Command, f *configFlags, dir string, use func(state.Reader, *state.Ledger) error) error {
	reader, err := a.reader(cmd, f, dir)
	if err != nil {
		return err
	}
	defer reader.Close()
	ledger, err := reader.Load(cmd.Context())
	if err != nil {
		return a.failWith("Cannot read the state", err, f.json)
	}
	return use(reader, ledger)
}

// viewState reads the attributes of sinks and the values of outputs as they were last applied. One that cannot be
// read (its content is sealed for us, or damaged) is shown without them.
func viewState(ctx context.Context, reader state.Reader, l *state.Ledger, only ...address.Address) view.State {
	out := view.State{Ledger: l, Version: hclspec.Version, Values: map[address.Address]plan.Value{}}
	for a, row := range l.Sinks {
		if row.Acknowledged == nil || len(only) > 0 && !slices.Contains(only, a) {
			continue
		}
		data, err := reader.Blob(ctx, row.Acknowledged.Payload)
		if err != nil {
			continue
		}
		if v, err := payloadValues(data); err == nil {
			out.Values[a] = plan.Of(v)
		}
	}
	for a, row := range l.Outputs {
		if len(only) > 0 {
			break
		}
		if v, err := engine.OutputValue(ctx, reader, row); err == nil {
			out.Values[a] = plan.Of(v)
		}
	}
	return out
}

// payloadValues returns the attributes of a stored block, marked where they were.
func payloadValues(data []byte) (cty.Value, error) {
	var p state.Payload
	if err := json.Unmarshal(data, &p); err != nil {
		return cty.NilVal, err
	}
	ty, err := ctyjson.ImpliedType(p.Values)
	if err != nil {
		return cty.NilVal, err
	}
	v, err := ctyjson.Unmarshal(p.Values, ty)
	if err != nil {
		return cty.NilVal, err
	}
	if !ty.IsObjectType() {
		return cty.NilVal, errors.New("a stored block is no object")
	}
	attrs := v.AsValueMap()
	for _, name := range p.Sensitive {
		if attr, ok := attrs[name]; ok {
			attrs[name] = attr.Mark(mark.Sensitive)
		}
	}
	return cty.ObjectVal(attrs), nil
}

// rowAddress parses an ADDR and makes sure that the state has it.
func rowAddress(l *state.Ledger, arg string) (address.Address, hcl.Diagnostics) {
	a, err := address.Parse(arg)
	if err != nil {
		return a, problem("Invalid address", err)
	}
	if l.Sources[a] != nil || l.Sinks[a] != nil {
		return a, nil
	}
	var names []string
	for _, have := range view.Addresses(l) {
		names = append(names, have.String())
	}
	hint := "\"tidegate state list\" shows what it has."
	if near := hclspec.Nearest(arg, names); near != "" {
		hint = fmt.Sprintf("Did you mean %s?", near)
	}
	return a, hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Not in the state",
		Detail: fmt.Sprintf("The state has no %s. %s", arg, hint),
	}}
}

// exists reports whether something is at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
