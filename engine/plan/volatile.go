package plan

import (
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/hclspec/decode"
)

// UnknownPaths lists the places of a value that are not known, as paths of changes are written.
func UnknownPaths(v cty.Value) []string {
	var out []string
	_ = cty.Walk(v, func(path cty.Path, v cty.Value) (bool, error) { // the function never fails
		bare, _ := v.Unmark()
		if !bare.IsKnown() {
			out = append(out, pathOf(path).String())
		}
		return bare.IsKnown(), nil
	})
	return out
}

// Shown is what the sink's attributes will be, as far as it is known: what is filled in at
// delivery is unknown.
func (c *SinkChange) Shown() Value {
	if len(c.Filled) == 0 || c.After.IsAbsent() {
		return c.After
	}
	filled := map[string]bool{}
	for _, path := range c.Filled {
		filled[path] = true
	}
	v, err := cty.Transform(c.After.Value, func(path cty.Path, v cty.Value) (cty.Value, error) {
		if filled[pathOf(path).String()] {
			bare, marks := v.Unmark()
			return cty.UnknownVal(bare.Type()).WithMarks(marks), nil
		}
		return v, nil
	})
	if err != nil {
		return c.After
	}
	return Of(v)
}

func pathOf(path cty.Path) diff.Path {
	var out diff.Path
	for _, step := range path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			out = append(out, diff.Step{Kind: diff.Key, Name: s.Name})
		case cty.IndexStep:
			key, _ := s.Key.Unmark()
			switch {
			case !key.IsKnown() || key.IsNull():
				out = append(out, diff.Step{Kind: diff.Element})
			case key.Type() == cty.String:
				out = append(out, diff.Step{Kind: diff.Key, Name: key.AsString()})
			case key.Type() == cty.Number:
				i, _ := key.AsBigFloat().Int64()
				out = append(out, diff.Step{Kind: diff.Index, Index: int(i)})
			default: // a member of a set
				out = append(out, diff.Step{Kind: diff.Element})
			}
		}
	}
	return out
}

// markVolatile marks the changes of places that do not count as changes.
func markVolatile(out []ValueChange, changes []diff.Change, ignored []decode.Path) []ValueChange {
	for i, c := range changes {
		keys := make([]any, len(c.Path))
		for k, step := range c.Path {
			switch step.Kind {
			case diff.Key:
				keys[k] = step.Name
			case diff.Index:
				keys[k] = step.Index
			default:
				keys[k] = -1
			}
		}
		for _, p := range ignored {
			out[i].Volatile = out[i].Volatile || p.Covers(keys)
		}
	}
	return out
}
