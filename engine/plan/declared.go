package plan

import "encoding/json"

// Declared is the configuration that a plan was made from, as it is written and not as it is
// evaluated, in the shape of the "configuration" of Terraform's plan JSON. Nothing in it is secret:
// a literal in the place of a credential is left out, as are those of what is marked as sensitive.
type Declared struct {
	Providers map[string]DeclaredProvider `json:"provider_config"`
	Root      *DeclaredModule             `json:"root_module"`
}

// DeclaredProvider stands where Terraform names its providers. There is one.
type DeclaredProvider struct {
	Name     string `json:"name"`
	FullName string `json:"full_name"`
}

// DeclaredModule is what the files of one directory declare.
type DeclaredModule struct {
	Outputs   map[string]*DeclaredOutput   `json:"outputs,omitempty"`
	Resources []*DeclaredBlock             `json:"resources,omitempty"` // sources and sinks, by address
	Calls     map[string]*DeclaredCall     `json:"module_calls,omitempty"`
	Variables map[string]*DeclaredVariable `json:"variables,omitempty"`
	// Policies are detectors, rules and rate limits, which Terraform does not have.
	Policies []*DeclaredBlock `json:"policies,omitempty"`
}

// DeclaredOutput is one output.
type DeclaredOutput struct {
	Sensitive   bool                `json:"sensitive,omitempty"`
	Expression  *DeclaredExpression `json:"expression"`
	Description string              `json:"description,omitempty"`
	DependsOn   []string            `json:"depends_on,omitempty"`
}

// DeclaredBlock is one block. Its expressions are those of its attributes; a nested block is a list
// of such objects.
type DeclaredBlock struct {
	Address     string                     `json:"address"` // within its module
	Mode        string                     `json:"mode,omitempty"`
	Type        string                     `json:"type"`
	Name        string                     `json:"name"`
	Provider    string                     `json:"provider_config_key,omitempty"`
	Expressions map[string]json.RawMessage `json:"expressions"`
	Version     uint64                     `json:"schema_version"`
	ForEach     *DeclaredExpression        `json:"for_each_expression,omitempty"`
	Count       *DeclaredExpression        `json:"count_expression,omitempty"`
	DependsOn   []string                   `json:"depends_on,omitempty"`
}

// DeclaredCall is one call of a module.
type DeclaredCall struct {
	Source      string                     `json:"source"`
	Expressions map[string]json.RawMessage `json:"expressions,omitempty"`
	ForEach     *DeclaredExpression        `json:"for_each_expression,omitempty"`
	Count       *DeclaredExpression        `json:"count_expression,omitempty"`
	Module      *DeclaredModule            `json:"module"`
	DependsOn   []string                   `json:"depends_on,omitempty"`
}

// DeclaredVariable is one variable.
type DeclaredVariable struct {
	Default     json.RawMessage `json:"default,omitempty"`
	Description string          `json:"description,omitempty"`
	Sensitive   bool            `json:"sensitive,omitempty"`
}

// DeclaredExpression is a literal value, or what an expression refers to, each reference followed by
// what it is a part of. It is empty where it is neither, or where the literal may be a secret.
type DeclaredExpression struct {
	Constant   json.RawMessage `json:"constant_value,omitempty"`
	References []string        `json:"references,omitempty"`
}
