package hclspec_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec"
)

// Terraform's signatures are recorded without their descriptions, which are its own.
func TestSignaturesAreTerraforms(t *testing.T) {
	path := filepath.Join(recorded, "signatures.json")
	if *record {
		recordSignatures(t, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want tfjson.MetadataFunctions
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	have := hclspec.Signatures()
	types := cmp.Comparer(func(a, b cty.Type) bool { return a.Equals(b) })
	for name, signature := range want.Signatures {
		ours, ok := have[name]
		if !ok {
			t.Errorf("there is no function %s", name)
			continue
		}
		if ours.Description == "" {
			t.Errorf("%s has no description", name)
		}
		var got tfjson.FunctionSignature
		if text, err = json.Marshal(ours); err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		forget(&got)
		switch name { // where the library that Terraform takes them from has gone on
		case "contains":
			signature.Parameters[1].IsNullable = true
		case "format":
			signature.ReturnType = cty.String
		case "formatlist":
			signature.ReturnType = cty.List(cty.String)
		}
		if diff := cmp.Diff(signature, &got, types); diff != "" {
			t.Errorf("%s (-Terraform +ours):\n%s", name, diff)
		}
	}
	if n := len(want.Signatures); n != 118 {
		t.Errorf("%d signatures are recorded", n)
	}
}

func forget(s *tfjson.FunctionSignature) {
	s.Description = ""
	for _, p := range s.Parameters {
		p.Description = ""
	}
	if s.VariadicParameter != nil {
		s.VariadicParameter.Description = ""
	}
}

func recordSignatures(t *testing.T, path string) {
	cmd := exec.CommandContext(t.Context(), "terraform", "metadata", "functions", "-json")
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+os.DevNull)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all tfjson.MetadataFunctions
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	for name, s := range all.Signatures {
		if core, ok := all.Signatures["core::"+name]; ok && len(core.Parameters) == len(s.Parameters) {
			delete(all.Signatures, "core::"+name)
		}
		forget(s)
	}
	if out, err = json.MarshalIndent(all, "", "\t"); err != nil {
		t.Fatal(err)
	}
	write(t, path, append(out, '\n'))
}
