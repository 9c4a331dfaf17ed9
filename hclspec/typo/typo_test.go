package typo_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"tidegate/hclspec/typo"
)

func TestContent(t *testing.T) {
	schema := &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "path", Required: true}, {Name: "value", Required: true}, {Name: "note"},
	}}
	missing := func(name string) string {
		return "Missing required argument: The argument \"" + name + "\" is required, but no definition was found."
	}
	unsupported := func(name, rest string) string {
		return "Unsupported argument: An argument named \"" + name + "\" is not expected here." + rest
	}
	for name, test := range map[string]struct {
		hcl, json string
		want      []string
	}{
		"nothing wrong":       {hcl: "path = 1\nvalue = 2"},
		"misspelled":          {"pth = 1\nvalue = 2", "", []string{unsupported("pth", ` Did you mean "path"?`)}},
		"misspelled in JSON":  {"", `{"pth": 1, "value": 2}`, []string{`Extraneous JSON object property: No argument or block type is named "pth". Did you mean "path"?`}},
		"missing":             {"value = 2", "", []string{missing("path")}},
		"another is missing":  {"pth = 1", "", []string{missing("value"), unsupported("pth", ` Did you mean "path"?`)}},
		"like nothing":        {"value = 2\ncolour = 1", "", []string{missing("path"), unsupported("colour", "")}},
		"like what was given": {"path = 1\npth = 2\nvalue = 3", "", []string{unsupported("pth", "")}},
	} {
		t.Run(name, func(t *testing.T) {
			parser := hclparse.NewParser()
			f, diags := parser.ParseHCL([]byte(test.hcl), "a.hcl")
			if test.json != "" {
				f, diags = parser.ParseJSON([]byte(test.json), "a.hcl.json")
			}
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			_, diags = typo.Content(f.Body, schema)
			var got []string
			for _, d := range diags {
				got = append(got, d.Summary+": "+d.Detail)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("- want, + got:\n%s", d)
			}
		})
	}
}
