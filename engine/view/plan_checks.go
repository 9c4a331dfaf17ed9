package view

import (
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

type checkJSON struct {
	Address   checkAddressJSON     `json:"address"`
	Status    string               `json:"status"`
	Instances []*checkInstanceJSON `json:"instances"`
}

type checkAddressJSON struct {
	ToDisplay string `json:"to_display"`
	Kind      string `json:"kind"`
	Module    string `json:"module,omitempty"`
	Mode      string `json:"mode,omitempty"`
	Type      string `json:"type,omitempty"`
	Name      string `json:"name,omitempty"`
}

type checkInstanceJSON struct {
	Address  checkInstanceAddressJSON `json:"address"`
	Status   string                   `json:"status"`
	Problems []checkProblemJSON       `json:"problems,omitempty"`
}

type checkInstanceAddressJSON struct {
	ToDisplay   string `json:"to_display"`
	Module      string `json:"module,omitempty"`
	InstanceKey any    `json:"instance_key,omitempty"`
}

// checkProblemJSON is Terraform's problem, with the rule that found it.
type checkProblemJSON struct {
	Message  string `json:"message"`
	Rule     string `json:"rule,omitempty"`
	Severity string `json:"severity,omitempty"`
}

// planChecks gathers the rule results of a plan under the blocks that were judged.
func planChecks(p *plan.Plan) []*checkJSON {
	var out []*checkJSON
	for _, c := range p.Sources {
		out = addChecks(out, c.Address, "data", c.Checks)
	}
	for _, c := range p.Sinks {
		out = addChecks(out, c.Address, "managed", c.Checks)
	}
	for _, c := range p.Checks {
		out = append(out, checkBlock(c))
	}
	return out
}

func addChecks(out []*checkJSON, a address.Address, mode string, checks []plan.Check) []*checkJSON {
	if len(checks) == 0 {
		return out
	}
	instance := &checkInstanceJSON{
		Address: checkInstanceAddressJSON{ToDisplay: a.String(), Module: string(a.Module), InstanceKey: index(a.Key)},
		Status:  "pass",
	}
	for _, c := range checks {
		if c.Severity != "warning" {
			instance.Status = worse(instance.Status, c.Status)
		}
		for _, f := range c.Findings {
			instance.Problems = append(instance.Problems, checkProblemJSON{Message: f, Rule: c.Address, Severity: c.Severity})
		}
	}
	block := a.Block()
	for _, c := range out {
		if c.Address.ToDisplay == block.String() {
			c.Instances = append(c.Instances, instance)
			c.Status = worse(c.Status, instance.Status)
			return out
		}
	}
	return append(out, &checkJSON{
		Address: checkAddressJSON{
			ToDisplay: block.String(), Kind: "resource", Module: string(a.Module), Mode: mode, Type: a.Kind, Name: a.Name,
		},
		Status:    instance.Status,
		Instances: []*checkInstanceJSON{instance},
	})
}

// worse returns the status that decides for a whole.
func worse(a, b string) string {
	rank := map[string]int{"pass": 0, "unknown": 1, "fail": 2, "error": 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}
