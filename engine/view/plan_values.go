package view

import (
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// plannedValues is what a plan leads to: the sinks with the values they will have.
func plannedValues(p *plan.Plan) stateValuesJSON {
	var all []moduleResource
	for _, c := range p.Sinks {
		if v := sinkAfter(c); !v.IsAbsent() {
			all = append(all, valueResource(c.Address, "managed", c.Kind, v))
		}
	}
	out := stateValuesJSON{RootModule: modules(all)}
	for _, o := range p.Outputs {
		if o.Action == plan.Delete {
			continue
		}
		if out.Outputs == nil {
			out.Outputs = map[string]stateOutputJSON{}
		}
		out.Outputs[o.Name] = outputValue(o.Value, o.Sensitive)
	}
	return out
}

// priorState is what the plan starts from, as far as it is known: the values that are accepted
// and the sinks as last applied.
func priorState(p *plan.Plan) *stateJSON {
	var all []moduleResource
	for _, c := range p.Sources {
		if !c.Before.IsAbsent() {
			all = append(all, valueResource(c.Address, "data", c.Kind, c.Before))
		}
	}
	for _, c := range p.Sinks {
		if !c.Before.IsAbsent() {
			all = append(all, valueResource(c.Address, "managed", c.Kind, c.Before))
		}
	}
	out := &stateJSON{
		FormatVersion: stateFormat, TidegateVersion: p.ToolVersion, Lineage: p.Lineage, Serial: p.Serial,
		Values: stateValuesJSON{RootModule: modules(all)},
	}
	for _, o := range p.Outputs {
		if o.Action == plan.Create || o.Before.IsAbsent() {
			continue
		}
		if out.Values.Outputs == nil {
			out.Values.Outputs = map[string]stateOutputJSON{}
		}
		out.Values.Outputs[o.Name] = outputValue(o.Before, o.Hidden())
	}
	return out
}

// valueResource is a block with its values. What Terraform knows as attributes is an object: a
// value of another type, as a source may have, stands in one.
func valueResource(a address.Address, mode, kind string, v plan.Value) moduleResource {
	values, sensitive := v.Plain(), v.Sensitive()
	if _, ok := values.(map[string]any); !ok {
		values = map[string]any{"value": values}
		parts := map[string]any{}
		if sensitive != false {
			parts["value"] = sensitive
		}
		sensitive = parts
	}
	return moduleResource{a.Module, &stateResourceJSON{
		Address: a.String(), Mode: mode, Type: kind, Name: a.Name, Index: index(a.Key),
		ProviderName: provider, Values: values, SensitiveValues: sensitive,
	}}
}
