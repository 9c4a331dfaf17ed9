package hclspec

import (
	"os"
	"path/filepath"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"tidegate/hclspec/typo"
)

// Version is the version that required_version is held against. A release build sets it.
var Version = "0.1.0"

// Settings is the tidegate block; the zero value stands for a configuration without one.
type Settings struct {
	RequiredVersion string
	Listener        hcl.Body      // undecoded; nil if there is no listener block
	ListenerRange   hcl.Range     //
	State           StateSettings // zero if there is no state block
	PathsRead       []string      // absolute and cleaned; nil if not confined
	PathsWrite      []string      // absolute and cleaned; nil if not confined
	DefRange        hcl.Range
}

// StateSettings says where the ledger is kept.
type StateSettings struct {
	Kind     string
	Body     hcl.Body // undecoded
	DefRange hcl.Range
}

var settingsSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "listener"},
		{Type: "state", LabelNames: []string{"KIND"}},
		{Type: "paths"},
	},
}

var pathsSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "read"}, {Name: "write"}}}

func (s *Spec) decodeSettings(b *hcl.Block) hcl.Diagnostics {
	content, diags := typo.Content(b.Body, settingsSchema)
	s.Settings.DefRange = b.DefRange
	if attr, ok := content.Attributes["required_version"]; ok {
		diags = append(diags, s.checkVersion(attr)...)
	}
	seen := map[string]hcl.Range{}
	for _, inner := range content.Blocks {
		if first, ok := seen[inner.Type]; ok {
			diags = append(diags, errorAt(inner.DefRange, "Duplicate "+inner.Type+" block",
				"There is at most one %s block; the first is at %s.", inner.Type, first))
			continue
		}
		seen[inner.Type] = inner.DefRange
		switch inner.Type {
		case "listener":
			s.Settings.Listener, s.Settings.ListenerRange = inner.Body, inner.DefRange
		case "state":
			s.Settings.State = StateSettings{Kind: inner.Labels[0], Body: inner.Body, DefRange: headerRange(inner)}
		case "paths":
			diags = append(diags, s.decodePaths(inner)...)
		}
	}
	return diags
}

// checkVersion compares without prerelease, so that a 0.2.0-dev build satisfies ">= 0.2".
func (s *Spec) checkVersion(attr *hcl.Attribute) hcl.Diagnostics {
	diags := gohcl.DecodeExpression(attr.Expr, nil, &s.Settings.RequiredVersion)
	if diags.HasErrors() {
		return diags
	}
	want, err := version.NewConstraint(s.Settings.RequiredVersion)
	if err != nil {
		return append(diags, errorAt(attr.Expr.Range(), "Invalid version constraint",
			"%q is not a version constraint. Write one as in \">= 0.1\" or \"~> 0.2, != 0.2.3\".", s.Settings.RequiredVersion))
	}
	have, err := version.NewVersion(Version)
	if err == nil && !want.Check(have.Core()) {
		diags = append(diags, errorAt(attr.Expr.Range(), "Unsupported tidegate version",
			"This configuration requires tidegate %s, and this is version %s. Use a matching version, or change required_version.",
			s.Settings.RequiredVersion, Version))
	}
	return diags
}

func (s *Spec) decodePaths(b *hcl.Block) hcl.Diagnostics {
	content, diags := typo.Content(b.Body, pathsSchema)
	for name, into := range map[string]*[]string{"read": &s.Settings.PathsRead, "write": &s.Settings.PathsWrite} {
		if attr, ok := content.Attributes[name]; ok {
			list, listDiags := s.pathList(attr.Expr)
			diags = append(diags, listDiags...)
			*into = list
		}
	}
	return diags
}

// pathList evaluates a list of paths in which only path.* can be used: the confinement
// must not depend on what it confines. An empty list confines to nothing.
func (s *Spec) pathList(expr hcl.Expression) ([]string, hcl.Diagnostics) {
	val, diags := expr.Value(&hcl.EvalContext{Variables: map[string]cty.Value{"path": s.PathObject()}})
	if diags.HasErrors() {
		for _, d := range diags {
			d.Detail += " Only path.module, path.root and path.cwd can be used here."
		}
		return []string{}, diags
	}
	list, err := convert.Convert(val, cty.List(cty.String))
	if err != nil || list.IsNull() || !list.IsWhollyKnown() {
		return []string{}, append(diags, errorAt(expr.Range(), "Invalid list of paths", "A list of directories or files is needed, as in [\"/etc/myapp\"]."))
	}
	out := []string{}
	for _, v := range list.AsValueSlice() {
		if v.IsNull() || v.AsString() == "" {
			diags = append(diags, errorAt(expr.Range(), "Invalid list of paths", "A path must not be null or empty."))
			continue
		}
		out = append(out, s.abs(v.AsString()))
	}
	return out, diags
}

// abs resolves a path against the module's directory.
func (s *Spec) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(s.Dir, path)
}

// PathObject is the value of path: module, root and cwd, all absolute.
func (s *Spec) PathObject() cty.Value {
	cwd, err := os.Getwd()
	if err != nil {
		cwd = s.Dir
	}
	return cty.ObjectVal(map[string]cty.Value{
		"module": cty.StringVal(s.Dir),
		"root":   cty.StringVal(s.Dir),
		"cwd":    cty.StringVal(cwd),
	})
}
