package view

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine/plan"
	"tidegate/hclspec/mark"
)

// An Output is an output of a configuration as the state has it. What is sensitive is never
// written.
type Output struct {
	Value     plan.Value // absent where it cannot be read
	Sensitive bool
}

// OutputsText writes all outputs as NAME = VALUE, in the manner of `terraform output`.
func OutputsText(w io.Writer, outputs map[string]Output) error {
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		value := unreadable
		switch o := outputs[name]; {
		case o.Sensitive:
			value = mark.Redacted
		case !o.Value.IsAbsent():
			value = Value(o.Value.Value)
		}
		if _, err := fmt.Fprintf(w, "%s = %s\n", name, value); err != nil {
			return err
		}
	}
	return nil
}

// outputJSON has Terraform's fields; of what is sensitive or cannot be read, value and type
// are left out.
type outputJSON struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
}

// OutputsJSON writes all outputs as one object, by name, in the shape of `terraform output -json`.
func OutputsJSON(w io.Writer, outputs map[string]Output) error {
	out := make(map[string]outputJSON, len(outputs))
	for name, o := range outputs {
		j := outputJSON{Sensitive: o.Sensitive}
		if !o.Sensitive && !o.Value.IsAbsent() {
			var err error
			if j.Value, err = outputText(o.Value.Value); err != nil {
				return err
			}
			if j.Type, err = ctyjson.MarshalType(o.Value.Type()); err != nil {
				return err
			}
		}
		out[name] = j
	}
	return writeJSON(w, out)
}

// OutputJSON writes the value of one output.
func OutputJSON(w io.Writer, v cty.Value) error {
	data, err := outputText(v)
	if err != nil {
		return err
	}
	return writeJSON(w, json.RawMessage(data))
}

func outputText(v cty.Value) ([]byte, error) { return ctyjson.Marshal(v, v.Type()) }
