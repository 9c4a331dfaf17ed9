package view

import (
	"encoding/json"
	"io"
	"slices"

	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// stateFormat is the version of Terraform's state JSON whose shape is written.
const stateFormat = "1.0"

type stateJSON struct {
	FormatVersion   string          `json:"format_version"`
	TidegateVersion string          `json:"tidegate_version,omitempty"`
	Lineage         string          `json:"lineage,omitempty"`
	Serial          int64           `json:"serial"`
	Values          stateValuesJSON `json:"values"`
}

type stateValuesJSON struct {
	Outputs    map[string]stateOutputJSON `json:"outputs,omitempty"`
	RootModule *stateModuleJSON           `json:"root_module"`
}

type stateOutputJSON struct {
	Sensitive bool            `json:"sensitive"`
	Value     any             `json:"value,omitempty"`
	Type      json.RawMessage `json:"type,omitempty"`
}

// outputValue leaves out the value of what is sensitive, and of what is not known.
func outputValue(v plan.Value, sensitive bool) stateOutputJSON {
	out := stateOutputJSON{Sensitive: sensitive}
	if v.IsAbsent() || !v.IsWhollyKnown() {
		return out
	}
	if ty, err := ctyjson.MarshalType(v.Type()); err == nil {
		out.Type = ty
	}
	if !sensitive {
		out.Value = v.Plain()
	}
	return out
}

type stateModuleJSON struct {
	Address      string               `json:"address,omitempty"`
	Resources    []*stateResourceJSON `json:"resources,omitempty"`
	ChildModules []*stateModuleJSON   `json:"child_modules,omitempty"`
}

type stateResourceJSON struct {
	Address         string `json:"address"`
	Mode            string `json:"mode"`
	Type            string `json:"type"`
	Name            string `json:"name"`
	Index           any    `json:"index,omitempty"`
	ProviderName    string `json:"provider_name"`
	SchemaVersion   int    `json:"schema_version"`
	Values          any    `json:"values,omitempty"`
	SensitiveValues any    `json:"sensitive_values,omitempty"`
	Tainted         bool   `json:"tainted,omitempty"` // a delivery is open

	// What Terraform has no field for.
	Target       string           `json:"target,omitempty"`
	Version      string           `json:"version,omitempty"`
	Acknowledged *state.Delivery  `json:"acknowledged,omitempty"`
	Pending      *state.Delivery  `json:"pending,omitempty"`
	Revisions    []state.Revision `json:"revisions,omitempty"`
	Snapshots    []state.Snapshot `json:"snapshots,omitempty"`
	Failures     int              `json:"failures,omitempty"`
	LastError    string           `json:"last_error,omitempty"`
}

// State is a ledger with the attributes of its sinks and the values of its outputs as last
// applied, where they can be read.
type State struct {
	Ledger  *state.Ledger
	Values  map[address.Address]plan.Value
	Version string // of the tool
}

// StateJSON writes the ledger in the shape of `terraform show -json`, redacted.
func StateJSON(w io.Writer, s State) error {
	var all []moduleResource
	for _, a := range Addresses(s.Ledger) {
		r := s.resource(a)
		all = append(all, moduleResource{a.Module, r})
	}
	return writeJSON(w, stateJSON{
		FormatVersion: stateFormat, TidegateVersion: s.Version, Lineage: s.Ledger.Lineage, Serial: s.Ledger.Serial,
		Values: stateValuesJSON{Outputs: s.outputs(), RootModule: modules(all)},
	})
}

func (s State) outputs() map[string]stateOutputJSON {
	out := map[string]stateOutputJSON{}
	for a, row := range s.Ledger.Outputs {
		out[a.Name] = outputValue(s.Values[a], row.Sensitive)
	}
	return out
}

// Addresses returns the addresses of all sources and sinks of a ledger, sorted.
func Addresses(l *state.Ledger) []address.Address {
	var out []address.Address
	for a := range l.Sources {
		out = append(out, a)
	}
	for a := range l.Sinks {
		out = append(out, a)
	}
	slices.SortFunc(out, address.Address.Compare)
	return out
}

func (s State) resource(a address.Address) *stateResourceJSON {
	r := &stateResourceJSON{
		Address: a.String(), Mode: "managed", Type: a.Kind, Name: a.Name, Index: index(a.Key), ProviderName: provider,
	}
	if row := s.Ledger.Sources[a]; row != nil {
		r.Mode, r.Snapshots = "data", row.Snapshots
		r.Failures, r.LastError = row.Failures, row.LastError
		if c := row.Current(); c != nil {
			r.Version = c.Version
		}
		return r
	}
	row := s.Ledger.Sinks[a]
	r.Target, r.Acknowledged, r.Pending, r.Revisions = row.Target, row.Acknowledged, row.Pending, row.Revisions
	r.Tainted = row.Pending != nil
	if v := s.Values[a]; !v.IsAbsent() {
		r.Values, r.SensitiveValues = v.Plain(), v.Sensitive()
	}
	return r
}

type moduleResource struct {
	module   address.Module
	resource *stateResourceJSON
}

// modules puts resources under their modules, one level below the root as each module's
// address is whole.
func modules(all []moduleResource) *stateModuleJSON {
	root := &stateModuleJSON{}
	children := map[address.Module]*stateModuleJSON{}
	for _, r := range all {
		m := root
		if r.module != address.Root {
			m = children[r.module]
			if m == nil {
				m = &stateModuleJSON{Address: string(r.module)}
				children[r.module] = m
				root.ChildModules = append(root.ChildModules, m)
			}
		}
		m.Resources = append(m.Resources, r.resource)
	}
	return root
}
