package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
)

// output judges one output and compares it with what is stored.
func (o *observer) output(ctx context.Context, n *node, v cty.Value) {
	seen := &plan.OutputObservation{Address: n.addr, Sensitive: n.out.Sensitive, Stored: o.ledger.Outputs[n.addr]}
	if seen.Sensitive {
		v = v.Mark(mark.Sensitive)
	}
	seen.Value = v
	for _, c := range n.out.Preconditions {
		if ok, message, diags := o.condition(n, c.Condition, c.ErrorMessage, nil); diags.HasErrors() {
			o.diags = append(o.diags, diags...)
			seen.Keep = true
		} else if !ok {
			o.complain(n, "Precondition of output failed", fmt.Sprintf("%s: %s", n.addr, message))
			seen.Keep = true
		}
	}
	if o.quiet {
		return
	}
	if seen.Stored != nil && isKeyed(seen.Stored.Blob) {
		if err := o.reader.KeyError(); err != nil {
			o.complain(n, "Secret cannot be compared", fmt.Sprintf("%s: %s. Run as the user that the key of the state belongs to.", n.addr, err))
			seen.Keep = true
		}
	}
	if v.IsWhollyKnown() && !seen.Keep {
		blob, err := o.outputBlob(n, v)
		if err != nil {
			o.complain(n, "Output cannot be stored", fmt.Sprintf("%s: %s.", n.addr, err))
			seen.Keep = true
		}
		seen.Blob = blob
	}
	if s := seen.Stored; s != nil && (s.Blob != seen.Blob.Hash || s.Sensitive != seen.Sensitive) {
		seen.Before = o.storedOutput(ctx, s)
	}
	o.outputs = append(o.outputs, plan.Output(seen))
}

// outputBlob returns the bytes to be stored for a value. They are sealed where the value is a
// secret, or was made from a source whose bytes are.
func (o *observer) outputBlob(n *node, v cty.Value) (state.Blob, error) {
	plain, _ := mark.Reveal(v)
	data, err := ctyjson.Marshal(plain, cty.DynamicPseudoType)
	if err != nil {
		return state.Blob{}, err
	}
	b := state.Blob{Hash: decode.RawHash(data), Data: data, Sealed: n.out.Sensitive}
	for _, a := range n.sources {
		switch o.choices[a].Standing {
		case plan.Candidate:
			b.Sealed = b.Sealed || o.fresh[a].Sealed
		case plan.Accepted:
			b.Sealed = b.Sealed || o.ledger.Sources[a].Current().Sealed
		}
	}
	if b.Sealed {
		b.Hash = o.reader.Keyed(b.Hash)
	}
	return b, nil
}

// storedOutput returns a stored value, NilVal if it cannot be read.
func (o *observer) storedOutput(ctx context.Context, row *state.Output) cty.Value {
	v, err := OutputValue(ctx, o.reader, row)
	if err != nil {
		return cty.NilVal
	}
	return v
}

// OutputValue reads the value of an output from the state, marked where it is sensitive.
func OutputValue(ctx context.Context, r state.Reader, row *state.Output) (cty.Value, error) {
	data, err := r.Blob(ctx, row.Blob)
	if err != nil {
		return cty.NilVal, err
	}
	v, err := ctyjson.Unmarshal(data, cty.DynamicPseudoType)
	if err != nil {
		return cty.NilVal, fmt.Errorf("read the stored value of %s: %w", row.Address, err)
	}
	if row.Sensitive {
		v = v.Mark(mark.Sensitive)
	}
	return v, nil
}

// outputChanges returns what was decided of outputs, and the end of those that are no longer
// declared (all of them when everything is destroyed), in the order of their names.
func (o *observer) outputChanges(ctx context.Context) []*plan.OutputChange {
	out := o.outputs
	for a, row := range o.ledger.Outputs {
		if n := o.prog.nodes[a]; (n == nil || o.options.Destroy) && o.selected.has(a) {
			out = append(out, plan.Output(&plan.OutputObservation{
				Address: a, Value: cty.NilVal, Stored: row, Before: o.storedOutput(ctx, row),
			}))
		}
	}
	slices.SortFunc(out, func(a, b *plan.OutputChange) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// storeOutputs puts the values of outputs into the commit of the acceptances that they were
// made from.
func storeOutputs(p *plan.Plan, b *state.Batch) {
	for _, c := range p.Outputs {
		switch c.Action {
		case plan.Delete:
			b.DeleteOutputs = append(b.DeleteOutputs, c.Row.Address)
		case plan.Create, plan.Update:
			b.Outputs = append(b.Outputs, c.Row)
			b.Blobs = append(b.Blobs, c.Blobs...)
		}
	}
}

// planVariables are the values of the variables, for showing; their JSON is redacted.
func (p *program) planVariables() map[string]*plan.Value {
	out := make(map[string]*plan.Value, len(p.variables))
	for name, v := range p.variables {
		if mark.HasEphemeral(v) {
			continue
		}
		value := plan.Of(v)
		out[name] = &value
	}
	return out
}
