package hclspec

import (
	"errors"
	"fmt"
	"strings"

	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"go.yaml.in/yaml/v4"
)

// Limits of yamldecode. go-cty-yaml expands aliases without counting, so that a few
// hundred bytes can ask for all memory.
const (
	maxYAMLBytes = 16 << 20
	maxYAMLNodes = 1_000_000
	maxYAMLDepth = 1_000
)

var yamlDecodeFunc = function.New(&function.Spec{
	Description: "Parses a YAML document, with the types of YAML 1.2 and merge keys.",
	Params:      ctyyaml.YAMLDecodeFunc.Params(),
	Type: func(args []cty.Value) (cty.Type, error) {
		if err := checkYAML(args[0]); err != nil {
			return cty.NilType, err
		}
		return ctyyaml.YAMLDecodeFunc.ReturnTypeForValues(args)
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, err := ctyyaml.YAMLDecodeFunc.Call(args)
		if err == nil && sizeOf(v).infinite && !strings.Contains(strings.ToLower(args[0].AsString()), ".inf") {
			return cty.NilVal, function.NewArgError(0, errNumber)
		}
		return v, err
	},
})

func checkYAML(val cty.Value) error {
	val, _ = val.Unmark()
	if !val.IsKnown() || val.IsNull() || val.Type() != cty.String {
		return nil
	}
	text := val.AsString()
	if len(text) > maxYAMLBytes {
		return function.NewArgErrorf(0, "the YAML document is larger than 16 MiB")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return function.NewArgErrorf(0, "%s", err) // what it cannot count it cannot vouch for
	}
	c := yamlCounter{sizes: map[*yaml.Node]int{}}
	if _, err := c.count(&doc, 0); err != nil {
		return function.NewArgErrorf(0, "%s", err)
	}
	return nil
}

// A yamlCounter computes how many nodes a document has once its aliases are expanded,
// looking at each node once.
type yamlCounter struct{ sizes map[*yaml.Node]int }

const underway = -1

func (c *yamlCounter) count(n *yaml.Node, depth int) (int, error) {
	if size, ok := c.sizes[n]; ok {
		if size == underway {
			return 0, errors.New("an alias in the YAML document refers to what contains it")
		}
		return size, nil
	}
	if depth > maxYAMLDepth {
		return 0, fmt.Errorf("the YAML document is nested deeper than %d", maxYAMLDepth)
	}
	c.sizes[n] = underway
	total := 1
	children := n.Content
	if n.Alias != nil {
		children = append(children[:len(children):len(children)], n.Alias)
	}
	for _, child := range children {
		size, err := c.count(child, depth+1)
		if err != nil {
			return 0, err
		}
		if total += size; total > maxYAMLNodes {
			return 0, fmt.Errorf("the YAML document has more than %d values once its aliases are expanded", maxYAMLNodes)
		}
	}
	c.sizes[n] = total
	return total, nil
}
