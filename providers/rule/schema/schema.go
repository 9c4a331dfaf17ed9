// Package schema is the rule "schema": JSON Schema.
//
// A candidate that the schema does not allow is rejected with one finding for each place
// that is wrong. A schema that is missing or wrong judges nothing: every candidate is
// rejected until it is mended, and what was accepted stays in use.
package schema

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// Config is the configuration of the rule.
type Config struct {
	Path   *string `hcl:"path,optional" doc:"File that holds the schema, relative to the module. Where paths.read is set it must lie inside the module or one of those."`
	Schema *string `hcl:"schema,optional" doc:"The schema as JSON text, for example from jsonencode()."`
}

// Kind declares the rule.
func Kind() *providers.Kind {
	return providers.RuleKind("schema", providers.Doc{
		Summary: "Accepts a candidate only if it satisfies a JSON Schema.",
		Description: `
Exactly one of ` + "`path`" + ` and ` + "`schema`" + ` holds the schema, as JSON. Without ` + "`$schema`" + ` it is read as
draft 2020-12; drafts 4, 6, 7 and 2019-09 are understood. ` + "`format`" + ` is checked. Numbers are compared
exactly.

` + "`pattern`" + ` uses RE2 regular expressions, as everywhere in the language: no look-around and no
back-references, and time linear in the text. ` + "`$ref`" + ` may point into the schema itself
(` + "`#/$defs/port`" + `) or to the published drafts; references to other files and URLs are refused.

Each place that is wrong makes a finding, with its path in the value (` + "`items[0].name`" + `). Where the
value is sensitive, findings name only places and limits that the schema itself shows.

A schema file counts as configuration: when it changes, the stored value is judged again. If it
cannot be read or is no schema, every candidate is rejected with that reason.`,
		Example: `
rule "schema" "app" {
  path = "app.schema.json"
}

rule "schema" "ports" {
  schema = jsonencode({
    type                 = "object"
    additionalProperties = { type = "integer", minimum = 1, maximum = 65535 }
  })
}`,
	}, func() *Config { return &Config{} }, build)
}

type rule struct {
	path    string   // of the schema's file, absolute; "" if the schema is inline
	roots   []string // that the file must lie in; nil for no confinement
	secret  bool     // the schema itself is sensitive
	stored  func(string) ([]byte, bool)
	mu      sync.Mutex
	checker *jsonschema.Schema // nil until the file was read
}

func build(c *Config, env providers.Env) (providers.Rule, error) {
	switch {
	case c.Path == nil && c.Schema == nil:
		return nil, providers.AttributesErrorf([]string{"", "path", "schema"}, "one of path and schema is required: path names a file, schema holds the text")
	case c.Path != nil && c.Schema != nil:
		return nil, providers.AttributesErrorf([]string{"schema", "path"}, "cannot be combined with path; use two rules")
	case c.Schema != nil:
		checker, err := compile([]byte(*c.Schema))
		if err != nil {
			return nil, providers.AttributeErrorf("schema", "%w", hideIf(env.IsSensitive("schema"), err))
		}
		return &rule{checker: checker, secret: env.IsSensitive("schema")}, nil
	case *c.Path == "":
		return nil, providers.AttributeErrorf("path", "is empty; name the file that holds the schema")
	}
	r := &rule{path: filepath.Clean(*c.Path), secret: env.IsSensitive("path"), stored: env.Stored}
	if !filepath.IsAbs(r.path) {
		r.path = filepath.Join(env.ModuleDir, r.path)
	}
	if len(env.ReadPaths) > 0 {
		r.roots = append([]string{env.ModuleDir}, env.ReadPaths...)
	}
	return r, nil
}

func hideIf(secret bool, err error) error {
	if secret {
		return errors.New("it is no valid JSON Schema; it is sensitive, so what is wrong is not shown")
	}
	return err
}

// ConfigFiles lists the files whose change makes this rule another one.
func (r *rule) ConfigFiles() []string {
	if r.path == "" {
		return nil
	}
	return []string{r.path}
}

// Judge validates the candidate. The schema's file is read at the first call that succeeds.
func (r *rule) Judge(ctx context.Context, c providers.Candidate) ([]providers.Finding, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	checker, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	value, _ := mark.Reveal(c.Value)
	document, err := toJSON(value)
	if err != nil {
		return nil, err
	}
	err = checker.Validate(document)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &invalid):
		return nil, err
	}
	return findings(invalid, reporter{value: c.Value, hide: mark.Has(c.Value), secret: r.secret}), nil
}
