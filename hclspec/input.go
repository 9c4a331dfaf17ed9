package hclspec

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// EnvPrefix starts the names of environment variables that give values to variables.
const EnvPrefix = "TIDEGATE_VAR_"

// A VariableInput is a value given from outside of the configuration, not yet converted
// to the variable's type.
type VariableInput struct {
	Value  cty.Value
	Source string    // where it comes from, for messages: "--var", "the file prod.hclvars", ...
	Range  hcl.Range // in a file of values; else zero
}

// An InputFlag is one --var or --var-file of the command line.
type InputFlag struct {
	Name  string // "var" or "var-file"
	Value string // "name=value", or a path relative to the working directory
}

// InputOptions says where values for variables are looked for.
type InputOptions struct {
	Dir     string      // whose tidegate.hclvars and *.auto.hclvars are read; Spec.Dir if empty
	Flags   []InputFlag // in the order of the command line
	Environ []string    // as from os.Environ; nil for none
	// Values win over all others. They are of declared variables.
	Values map[string]VariableInput
}

// CollectInputs gathers the values of variables with Terraform's precedence. Later ones
// win: TIDEGATE_VAR_name, tidegate.hclvars, tidegate.hclvars.json, *.auto.hclvars and
// *.auto.hclvars.json in lexical order, --var and --var-file in the order given, Values.
//
// A value for an undeclared variable is an error from --var, a warning from a file, and
// passed over from the environment, which may serve other configurations too.
func CollectInputs(spec *Spec, opts InputOptions) (map[string]VariableInput, hcl.Diagnostics) {
	c := inputCollector{spec: spec, values: map[string]VariableInput{}}
	dir := opts.Dir
	if dir == "" {
		dir = spec.Dir
	}
	var diags hcl.Diagnostics
	diags = append(diags, c.environ(opts.Environ)...)
	for _, path := range spec.InputFiles(dir) {
		diags = append(diags, c.file(path)...)
	}
	for _, flag := range opts.Flags {
		switch flag.Name {
		case "var":
			diags = append(diags, c.flag(flag.Value)...)
		case "var-file":
			diags = append(diags, c.file(flag.Value)...)
		default:
			diags = append(diags, errorWithoutPlace("Unknown option", "--%s gives no values; --var and --var-file do.", flag.Name))
		}
	}
	maps.Copy(c.values, opts.Values)
	return c.values, diags
}

type inputCollector struct {
	spec   *Spec
	values map[string]VariableInput
}

func (c *inputCollector) environ(environ []string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, entry := range environ {
		name, raw, ok := strings.Cut(strings.TrimPrefix(entry, EnvPrefix), "=")
		if v := c.spec.Variables[name]; ok && v != nil && strings.HasPrefix(entry, EnvPrefix) {
			diags = append(diags, c.raw(v, raw, "the environment variable "+EnvPrefix+name)...)
		}
	}
	return diags
}

func (c *inputCollector) flag(arg string) hcl.Diagnostics {
	name, raw, ok := strings.Cut(arg, "=")
	if !ok {
		return hcl.Diagnostics{errorWithoutPlace("Invalid --var", "--var %q has no equals sign. Write --var 'name=value'.", arg)}
	}
	if name == "" || strings.TrimSpace(name) != name {
		return hcl.Diagnostics{errorWithoutPlace("Invalid --var", "The name %q in --var is empty or has blanks around it. Write --var 'name=value'.", name)}
	}
	v := c.spec.Variables[name]
	if v == nil {
		return hcl.Diagnostics{errorWithoutPlace("Undeclared variable",
			"--var sets %s, which no variable block declares.%s", name, didYouMean(name, c.names()))}
	}
	return c.raw(v, raw, "--var")
}

func (c *inputCollector) names() []string { return slices.Sorted(maps.Keys(c.spec.Variables)) }

// raw takes a value given as a string: as it stands for primitive types and untyped
// variables, else as an expression.
func (c *inputCollector) raw(v *Variable, raw, source string) hcl.Diagnostics {
	if v.Literal {
		c.values[v.Name] = VariableInput{Value: cty.StringVal(raw), Source: source}
		return nil
	}
	name := fmt.Sprintf("<value of var.%s from %s>", v.Name, source)
	expr, diags := parseExpression(raw, name)
	var val cty.Value
	if !diags.HasErrors() {
		var valDiags hcl.Diagnostics
		val, valDiags = expr.Value(nil)
		diags = append(diags, valDiags...)
	}
	if diags.HasErrors() {
		c.values[v.Name] = VariableInput{Value: cty.DynamicVal, Source: source}
		c.remember(name, []byte(raw), v.hidden())
		return append(diags, errorWithoutPlace("Invalid value for variable",
			"The value of var.%s from %s is not an expression of its type. Lists and maps are written as in .hcl files, for example '[\"a\", \"b\"]'.", v.Name, source))
	}
	c.values[v.Name] = VariableInput{Value: val, Source: source}
	return diags
}

// remember keeps bytes for snippets, unless they are secret.
func (c *inputCollector) remember(name string, src []byte, sensitive bool) {
	if !sensitive {
		c.spec.Files[name] = &hcl.File{Body: hcl.EmptyBody(), Bytes: src}
	}
}

// file reads a file of values: attributes only, without references or functions.
func (c *inputCollector) file(path string) hcl.Diagnostics {
	var buf bytes.Buffer
	if diag := c.spec.stored.readConfig(ReadInput, path, &buf); diag != nil {
		return hcl.Diagnostics{diag}
	}
	src := buf.Bytes()
	c.spec.inputs = append(c.spec.inputs, path)
	body, diags := parseBytes(src, path)
	c.remember(path, src, false)
	if body == nil {
		return diags
	}
	attrs, attrDiags := body.JustAttributes()
	diags = append(diags, attrDiags...)
	for _, name := range sortedNames(attrs) {
		attr := attrs[name]
		if c.spec.Variables[name] == nil {
			diags = append(diags, warningAt(attr.NameRange, "Undeclared variable",
				"The file sets %s, which no variable block declares.%s The value is not used.", name, didYouMean(name, c.names())))
			continue
		}
		if c.spec.Variables[name].Ephemeral {
			diags = append(diags, errorAt(attr.NameRange, "Ephemeral variable in a file",
				"var.%s is ephemeral, so its value is stored nowhere. Files of values are kept with the last good configuration: give the value by the environment variable %s%s or --var instead.", name, EnvPrefix, name))
			c.values[name] = VariableInput{Value: cty.DynamicVal, Source: "the file " + path}
			continue
		}
		val, valDiags := attr.Expr.Value(nil)
		diags = append(diags, valDiags...)
		c.values[name] = VariableInput{Value: val, Source: "the file " + path, Range: attr.Expr.Range()}
	}
	return diags
}

// InputFiles lists the files of dir that give values to variables, in the order in which
// they are read. They count as configuration, like those given by --var-file.
func (s *Spec) InputFiles(dir string) []string {
	if s.stored != nil {
		return s.stored.inputFiles(dir)
	}
	var out []string
	for _, name := range wholeFiles {
		if path := filepath.Join(dir, name); exists(path) {
			out = append(out, path)
		}
	}
	return append(out, autoFiles(dir)...)
}
