package plan

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

func TestOutputs(t *testing.T) {
	name := address.Of(address.Output, "", "o")
	one, two := cty.NumberIntVal(1), cty.NumberIntVal(2)
	secret := one.Mark(mark.Sensitive)
	stored := func(hash string, sensitive bool) *state.Output {
		return &state.Output{Address: name, Blob: hash, Sensitive: sensitive}
	}
	blob := state.Blob{Hash: "one"}
	for _, tt := range []struct {
		name    string
		in      OutputObservation
		want    Action
		before  cty.Value
		after   cty.Value
		unknown bool
		hidden  bool
	}{
		{"new", OutputObservation{Value: one, Blob: blob}, Create, cty.NilVal, one, false, false},
		{"the same", OutputObservation{Value: one, Blob: blob, Stored: stored("one", false)}, NoOp, one, one, false, false},
		{"another", OutputObservation{Value: one, Blob: blob, Stored: stored("two", false), Before: two}, Update, two, one, false, false},
		{"not readable", OutputObservation{Value: one, Blob: blob, Stored: stored("two", false)}, Update, cty.NilVal, one, false, false},
		{"a secret from now on", OutputObservation{Value: secret, Sensitive: true, Blob: blob, Stored: stored("two", false), Before: one}, Update, one, secret, false, true},
		{"a secret until now", OutputObservation{Value: one, Blob: blob, Stored: stored("two", true), Before: secret}, Update, secret, one, false, true},
		{"sealed all the while, marked now", OutputObservation{Value: secret, Sensitive: true, Blob: blob, Stored: stored("one", false), Before: one}, Update, one, secret, false, true},
		{"never known", OutputObservation{Value: cty.DynamicVal}, NoOp, cty.NilVal, cty.DynamicVal, true, false},
		{"not known now", OutputObservation{Value: cty.DynamicVal, Stored: stored("one", false), Before: one}, NoOp, one, one, false, false},
		{"half known at first", OutputObservation{Value: cty.TupleVal([]cty.Value{one, cty.DynamicVal})}, NoOp, cty.NilVal, cty.DynamicVal, true, false},
		{"half known", OutputObservation{Value: cty.TupleVal([]cty.Value{one, cty.DynamicVal}), Stored: stored("one", false), Before: one}, NoOp, one, one, false, false},
		{"refused", OutputObservation{Value: two, Keep: true, Stored: stored("one", false), Before: one}, NoOp, one, one, false, false},
		{"refused at first", OutputObservation{Value: two, Keep: true}, NoOp, cty.NilVal, cty.DynamicVal, true, false},
		{"no longer declared", OutputObservation{Value: cty.NilVal, Stored: stored("one", true), Before: secret}, Delete, secret, cty.NilVal, false, true},
	} {
		tt.in.Address = name
		got := Output(&tt.in)
		if got.Action != tt.want || got.Known == tt.unknown || got.Hidden() != tt.hidden || !sameValue(got.Before, tt.before) || !sameValue(got.Value, tt.after) {
			t.Errorf("%s: %+v", tt.name, got)
		}
		switch writes := got.Action == Create || got.Action == Update; {
		case writes && (got.Row == nil || got.Row.Blob != "one" || got.Row.Sensitive != tt.in.Sensitive || len(got.Blobs) != 1):
			t.Errorf("%s: stores %+v %+v", tt.name, got.Row, got.Blobs)
		case got.Action == NoOp && got.Row != nil:
			t.Errorf("%s: stores %+v", tt.name, got.Row)
		}
		if p := (&Plan{Outputs: []*OutputChange{got}}); p.HasChanges() != (tt.want != NoOp) || p.Acts() != (tt.want != NoOp) {
			t.Errorf("%s: changes %t, acts %t", tt.name, p.HasChanges(), p.Acts())
		}
	}
}

func sameValue(v Value, want cty.Value) bool {
	if v.IsAbsent() || want == cty.NilVal {
		return v.IsAbsent() && want == cty.NilVal
	}
	return v.RawEquals(want)
}
