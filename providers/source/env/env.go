// Package env is the source "env": a map of environment variables.
//
// A variable that is named but not set, and one whose value is not UTF-8, fail the look, and
// with it the start: the environment of a running process does not change, so nothing is
// tried again. A prefix that matches nothing gives an empty map, which the engine rejects
// like every empty value unless allow_empty is set.
package env

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"tidegate/providers"
)

// Config is the configuration of the source.
type Config struct {
	Prefix *string  `hcl:"prefix,optional" doc:"Take all variables whose names start with this text. The keys of the map are the full names, prefix included."`
	Names  []string `hcl:"names,optional" doc:"Take exactly these variables. One that is not set is an error; one that is set to nothing is an empty string."`
}

// Kind declares the source.
func Kind() *providers.Kind {
	return providers.SourceKind("env", providers.Doc{
		Summary: "Reads environment variables into a map of name to string.",
		Description: `
The value is a map of full variable name to text, chosen by exactly one of ` + "`prefix`" + ` and ` + "`names`" + `.
It is read once, since the environment of a process does not change while it runs; detectors do not
apply. For a single variable in an expression, ` + "`env.NAME`" + ` is shorter.

A variable listed in ` + "`names`" + ` that is not set is an error that names it, as is a value that is not valid
UTF-8. A ` + "`prefix`" + ` that matches nothing gives an empty map, which is rejected unless ` + "`allow_empty`" + `
is set. Set ` + "`sensitive`" + ` where a variable holds a credential.`,
		Example: `
source "env" "app" {
  prefix = "MYAPP_"
}

source "env" "login" {
  names     = ["DB_USER", "DB_PASSWORD"]
  sensitive = true
}`,
	}, func() *Config { return &Config{} }, build)
}

type source struct {
	prefix  string
	names   []string
	environ []string
}

func build(c *Config, env providers.Env) (providers.Source, error) {
	if err := check(c); err != nil {
		return nil, err
	}
	s := &source{names: c.Names, environ: env.Environ}
	if c.Prefix != nil {
		s.prefix = *c.Prefix
	}
	return s, nil
}

func check(c *Config) error {
	var wrong []error
	switch {
	case c.Prefix == nil && c.Names == nil:
		return providers.AttributesErrorf([]string{"", "names", "prefix"}, "one of prefix and names is required: prefix takes all variables that start with a text, names takes those listed")
	case c.Prefix != nil && c.Names != nil:
		wrong = append(wrong, providers.AttributesErrorf([]string{"names", "prefix"}, "cannot be combined with prefix; use two sources and merge() them"))
	case c.Names != nil && len(c.Names) == 0:
		wrong = append(wrong, providers.AttributeErrorf("names", "the list is empty; name at least one variable"))
	}
	if c.Prefix != nil && *c.Prefix == "" {
		wrong = append(wrong, providers.AttributeErrorf("prefix", "an empty prefix would take the whole environment; write the text the names start with, or list them in names"))
	}
	for _, name := range c.Names {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			wrong = append(wrong, providers.AttributeErrorf("names", "%q cannot be the name of an environment variable", name))
		}
	}
	return errors.Join(wrong...)
}

// Identity names what is read.
func (s *source) Identity() string {
	if s.prefix != "" {
		return "environment variables " + s.prefix + "*"
	}
	return "environment variables " + strings.Join(s.names, ", ")
}

// Fetch answers the variables as a JSON object with sorted keys.
func (s *source) Fetch(ctx context.Context, _ string) (providers.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return providers.Snapshot{}, err
	}
	vars, err := s.collect()
	if err != nil {
		return providers.Snapshot{}, providers.Permanent(fmt.Errorf("read the environment: %w", err))
	}
	data, err := encode(vars)
	if err != nil {
		return providers.Snapshot{}, providers.Permanent(err)
	}
	if limit := providers.FetchLimit(ctx); int64(len(data)) > limit {
		return providers.Snapshot{}, providers.TooLargeError(limit)
	}
	return providers.Snapshot{Data: data, Format: "json"}, nil
}

func (s *source) collect() (map[string]string, error) {
	vars := make(map[string]string)
	for _, entry := range s.environ {
		name, value, ok := strings.Cut(entry, "=")
		// As in getenv(3), the first of two entries with one name counts.
		if _, seen := vars[name]; ok && !seen && (s.prefix == "" || strings.HasPrefix(name, s.prefix)) {
			vars[name] = value
		}
	}
	if s.prefix == "" {
		var err error
		if vars, err = pick(vars, s.names); err != nil {
			return nil, err
		}
	}
	for name, value := range vars {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("the variable %q is not valid UTF-8", name)
		}
	}
	return vars, nil
}

func pick(all map[string]string, names []string) (map[string]string, error) {
	vars := make(map[string]string, len(names))
	var missing []string
	for _, name := range names {
		value, ok := all[name]
		if !ok {
			missing = append(missing, name)
			continue
		}
		vars[name] = value
	}
	switch len(missing) {
	case 0:
		return vars, nil
	case 1:
		return nil, fmt.Errorf("the variable %s is not set", missing[0])
	}
	return nil, fmt.Errorf("the variables %s are not set", strings.Join(missing, ", "))
}

// encode writes JSON without the escapes for HTML, so that text reads as it was set.
func encode(vars map[string]string) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(vars); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
