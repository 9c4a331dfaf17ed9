package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegate/hclspec"
)

func TestSentence(t *testing.T) {
	for in, want := range map[string]string{
		"no such file":          "No such file.",
		"main.hcl: no":          "main.hcl: no.",
		"max_bytes is negative": "max_bytes is negative.",
		"/etc/x does not exist": "/etc/x does not exist.",
		"read-only, all of it.": "Read-only, all of it.",
		"":                      "",
	} {
		if got := sentence(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestNormalise(t *testing.T) {
	a := &app{}
	values := takesValue(a.root())
	for in, want := range map[string]string{
		"plan -json":                         "plan --json",
		"-chdir=x plan -var a=b":             "--chdir=x plan --var a=b",
		"plan -var -x=y -no-color":           "plan --var -x=y --no-color",
		"plan --var -json":                   "plan --var -json",
		"plan -var-file f -refresh=false d":  "plan --var-file f --refresh=false d",
		"plan -h":                            "plan -h",
		"plan -- -json":                      "plan -- -json",
		"apply -auto-approve -parallelism 3": "apply --auto-approve --parallelism 3",
		"plan -1 -":                          "plan -1 -",
	} {
		got := strings.Join(normalise(strings.Fields(in), values), " ")
		if got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestInputFlagsKeepTheirOrder(t *testing.T) {
	a := &app{}
	root := a.root()
	var f configFlags
	cmd, _, err := root.Find([]string{"plan"})
	if err != nil {
		t.Fatal(err)
	}
	cmd.ResetFlags()
	f.addInputs(cmd.Flags())
	if err := cmd.ParseFlags([]string{"--var", "a=1", "--var-file=f", "--var=a=2"}); err != nil {
		t.Fatal(err)
	}
	want := []hclspec.InputFlag{{Name: "var", Value: "a=1"}, {Name: "var-file", Value: "f"}, {Name: "var", Value: "a=2"}}
	if d := cmp.Diff(want, f.inputs); d != "" {
		t.Error(d)
	}
}

func TestWantsJSON(t *testing.T) {
	for in, want := range map[string]bool{"plan --json": true, "plan": false, "plan -- --json": false, "plan --json=true --x": true} {
		if got := wantsJSON(strings.Fields(in)); got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}
