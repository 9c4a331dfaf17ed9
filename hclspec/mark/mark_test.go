package mark

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestRedactHidesNestedPartsOnly(t *testing.T) {
	secret := cty.StringVal("hunter2").Mark(Sensitive)
	v := cty.ObjectVal(map[string]cty.Value{
		"user": cty.StringVal("bob"),
		"keys": cty.ListVal([]cty.Value{cty.StringVal("a"), secret}),
	})
	if !Has(v) {
		t.Fatal("Has = false for a value with a marked element")
	}
	got := Redact(v)
	want := cty.ObjectVal(map[string]cty.Value{
		"user": cty.StringVal("bob"),
		"keys": cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.StringVal(Redacted)}),
	})
	if !got.RawEquals(want) {
		t.Errorf("Redact = %#v, want %#v", got, want)
	}
	if Has(got) {
		t.Error("the redacted value is still marked")
	}
}

func TestRestoreIsTheInverseOfReveal(t *testing.T) {
	v := cty.ObjectVal(map[string]cty.Value{
		"a": cty.StringVal("x").Mark(Sensitive),
		"b": cty.TupleVal([]cty.Value{cty.NumberIntVal(1).Mark(Sensitive), cty.True}),
	})
	plain, paths := Reveal(v)
	if Has(plain) {
		t.Fatal("Reveal left marks")
	}
	if got := Restore(plain, paths); !got.RawEquals(v) {
		t.Errorf("Restore(Reveal(v)) = %#v", got)
	}
}
