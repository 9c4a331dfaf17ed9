package plan

import (
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// OutputChange is what the plan says of one output. Apply stores its value; no source and no
// sink is touched by that.
type OutputChange struct {
	Name   string `json:"name"`
	Action Action `json:"action"` // NoOp, Create, Update or Delete
	Before Value  `json:"before"` // as stored, absent if nothing is or it cannot be read
	Value  Value  `json:"value"`  // what it will be; what is stored where that is kept
	// Sensitive is said of the value, WasSensitive of what is stored. Where one is set neither
	// value is shown as a change.
	Sensitive    bool `json:"sensitive,omitempty"`
	WasSensitive bool `json:"was_sensitive,omitempty"`
	Known        bool `json:"known"`
	// Revision is that of the ledger's row the plan was made from, 0 for none.
	Revision int64 `json:"revision,omitempty"`

	// Row is what the ledger will say, or for Delete what it says; nil for NoOp.
	Row *state.Output `json:"row,omitempty"`
	// Blobs are the bytes that Row names.
	Blobs []state.Blob `json:"blobs,omitempty"`
}

// Hidden reports whether neither side of the change may be shown.
func (c *OutputChange) Hidden() bool { return c.Sensitive || c.WasSensitive }

// OutputObservation is one output as its expression gives it, beside what is stored.
type OutputObservation struct {
	Address   address.Address
	Value     cty.Value // NilVal if it is no longer declared
	Sensitive bool
	// Keep is set where the value may not be stored: a precondition does not hold, or what
	// is stored cannot be compared with.
	Keep   bool
	Blob   state.Blob    // of the value, where it is known
	Stored *state.Output // nil for none
	Before cty.Value     // the stored value; NilVal if none, or equal, or not readable
}

// Output decides for one output. A value that is not known, as long as something that it
// uses is blocked, leaves what is stored as it is: apply brings no value to light.
func Output(o *OutputObservation) *OutputChange {
	out := &OutputChange{
		Name: o.Address.Name, Action: NoOp, Before: Of(o.Before), Value: Of(o.Value),
		Sensitive: o.Sensitive, WasSensitive: o.Stored != nil && o.Stored.Sensitive,
	}
	if o.Stored != nil {
		out.Revision = o.Stored.Revision
	}
	if o.Value == cty.NilVal {
		out.Action, out.Row, out.Known = Delete, o.Stored, true
		return out
	}
	out.Known = o.Value.IsWhollyKnown()
	switch {
	case o.Keep || !out.Known:
		if o.Stored != nil && o.Before != cty.NilVal {
			out.Value, out.Known, out.Sensitive = out.Before, true, out.Sensitive || out.WasSensitive
			return out
		}
		out.Value, out.Known = Of(cty.DynamicVal), false
		return out
	case o.Stored == nil:
		out.Action = Create
	case o.Stored.Blob == o.Blob.Hash && o.Stored.Sensitive == o.Sensitive:
		out.Before = out.Value
		return out
	default:
		out.Action = Update
	}
	out.Row = &state.Output{Address: o.Address, Blob: o.Blob.Hash, Sensitive: o.Sensitive}
	out.Blobs = []state.Blob{o.Blob}
	return out
}
