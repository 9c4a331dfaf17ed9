package hclspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
	"tidegate/hclspec/typo"
)

// A ModuleCall puts what another directory declares below module.NAME.
type ModuleCall struct {
	Name       string
	Source     string
	Repetition *Repetition          // nil where there is one instance
	Arguments  map[string]*Argument // values of the module's variables
	DependsOn  []*Reference
	DefRange   hcl.Range

	git         *ModuleSource // nil for a directory
	sourceRange hcl.Range
}

// An Argument is the value of one variable of a called module, evaluated where the call stands.
type Argument struct {
	Name      string
	Expr      hcl.Expression
	NameRange hcl.Range
}

// Bounds of modules.
const (
	maxModuleDepth = 32
	maxModules     = 1000
)

// reservedArguments cannot be variables of a module that is called.
var reservedArguments = map[string]string{
	"version":   "A module has no version argument. Modules of a repository are pinned with ?ref= in their source.",
	"providers": "Kinds are built in, so there are no providers to hand on.",
}

func declareModule(b *hcl.Block) declaration {
	c := &ModuleCall{Name: b.Labels[0], Arguments: map[string]*Argument{}, DefRange: headerRange(b)}
	names := validNames(b)
	repeated, body, diags := repetition(b.Body, address.ModuleCall)
	c.Repetition = repeated
	attrs, more := body.JustAttributes()
	diags = append(diags, more...)
	for _, name := range sortedNames(attrs) {
		attr := attrs[name]
		switch hint := reservedArguments[name]; {
		case name == "source":
			c.sourceRange = attr.Expr.Range()
			v, wrong := attr.Expr.Value(nil)
			if wrong.HasErrors() || v.IsNull() || v.Type() != cty.String || v.AsString() == "" {
				diags = append(diags, errorAt(c.sourceRange, "Invalid module source",
					"The source of a module is a constant text, since it is read before anything is evaluated: a directory such as \"./service\", or a repository such as \"git::https://example.com/modules.git//service?ref=v1\"."))
				continue
			}
			diags = append(diags, c.setSource(v.AsString())...)
		case name == "depends_on":
			refs, wrong := StaticReferences(attr.Expr)
			diags = append(diags, wrong...)
			c.DependsOn = refs
		case hint != "":
			diags = append(diags, errorAt(attr.NameRange, "Unsupported argument", "%s", hint))
		default:
			c.Arguments[name] = &Argument{Name: name, Expr: attr.Expr, NameRange: attr.NameRange}
		}
	}
	if attrs["source"] == nil {
		at, hint := c.DefRange, ""
		for _, name := range sortedKeys(c.Arguments) {
			if near := didYouMean(name, []string{"source"}); near != "" {
				at, hint = c.Arguments[name].NameRange, fmt.Sprintf(" It has %s.%s", name, near)
			}
		}
		diags = append(diags, errorAt(at, "Missing module source",
			"module %q has no source. Name the directory of the module, as in source = \"./service\".%s", c.Name, hint))
	}
	return declared(c, names, diags)
}

// modules loads what the calls of a Spec lead to.
type modules struct {
	root    *Spec
	opts    LoadOptions
	specs   map[string]*Spec  // by directory
	lock    ModuleLock        // nil until it is needed
	checked map[string]string // what is wrong with the content of a source, "" for nothing
	diags   hcl.Diagnostics
}

// loadModules loads the modules that a Spec calls, and theirs, each directory once.
func (s *Spec) loadModules(opts LoadOptions) hcl.Diagnostics {
	m := &modules{root: s, opts: opts, specs: map[string]*Spec{s.Dir: s}, checked: map[string]string{}}
	m.load(s, []string{s.Dir})
	return m.diags
}

func (m *modules) load(s *Spec, path []string) {
	for _, name := range sortedKeys(s.Modules) {
		c := s.Modules[name]
		if c.Source == "" {
			continue
		}
		shown, from, diag := m.find(s, c)
		dir := absolute(shown)
		switch {
		case diag != nil:
		case slices.Contains(path, dir):
			diag = errorAt(c.sourceRange, "Module contains itself", "These directories call each other as modules without end: %s.",
				strings.Join(append(slices.Clone(path[slices.Index(path, dir):]), dir), " -> "))
		case len(path) >= maxModuleDepth:
			diag = errorAt(c.sourceRange, "Modules nested too deeply", "Modules may be nested %d deep.", maxModuleDepth)
		case m.specs[dir] == nil && len(m.specs) >= maxModules:
			diag = errorAt(c.sourceRange, "Too many modules", "A configuration may consist of %d directories.", maxModules)
		}
		if diag != nil {
			m.diags = append(m.diags, diag)
			continue
		}
		child := m.specs[dir]
		if child == nil {
			child = m.directory(c, shown, from)
			m.load(child, append(slices.Clip(path), dir))
		}
		s.called[name] = child
		m.diags = append(m.diags, c.checkArguments(child)...)
	}
}

// directory loads one directory, of a checkout where that is not nil.
func (m *modules) directory(c *ModuleCall, dir string, from *checkout) *Spec {
	opts := m.opts
	opts.inner = true
	if opts.Directory != nil {
		stored, is := Stored(nil), false
		if from == nil {
			stored, is = opts.Directory(absolute(dir))
		}
		if maps.Copy(opts.Stored, stored); !is {
			opts.Stored = nil // it is read from the disk
		}
	}
	if opts.Previous != nil {
		opts.Previous = opts.Previous.Child(absolute(dir))
	}
	child, diags := LoadWith(dir, opts)
	for _, diag := range diags {
		if diag.Subject == nil { // of the directory as a whole
			diag.Subject = c.sourceRange.Ptr()
		}
	}
	m.diags = append(m.diags, diags...)
	if len(child.parsed) == 0 && !diags.HasErrors() { // of what was stored
		m.diags = append(m.diags, errorAt(c.sourceRange, "Directory not found", "There was no directory %s with .hcl files.", dir))
	}
	child.checkout = from
	m.specs[child.Dir] = child
	m.root.children = append(m.root.children, child)
	for name, f := range child.Files {
		m.root.Files[name] = f
	}
	if rng := child.Settings.DefRange; rng != (hcl.Range{}) && child.Settings.more() {
		m.diags = append(m.diags, errorAt(rng, "Settings in a module", "listener, state and paths are settings of the whole. Move them into the directory that is applied, %s.", m.root.Dir))
	}
	return child
}

// more reports whether there is anything beside the required version.
func (s Settings) more() bool {
	return s.Listener != nil || s.State.Kind != "" || s.PathsRead != nil || s.PathsWrite != nil
}

// checkArguments compares the arguments of a call with the variables of the module.
func (c *ModuleCall) checkArguments(child *Spec) hcl.Diagnostics {
	var diags hcl.Diagnostics
	names := sortedKeys(child.Variables)
	for _, name := range sortedKeys(c.Arguments) {
		if child.Variables[name] == nil {
			diags = append(diags, errorAt(c.Arguments[name].NameRange, "Unsupported argument",
				"The module in %s has no variable %q.%s", c.Source, name, didYouMean(name, names)))
		}
	}
	misspelled := diags
	for _, name := range names {
		v := child.Variables[name]
		if v.Required() && c.Arguments[name] == nil && !typo.Suggested(misspelled, name) {
			diags = append(diags, errorAt(c.DefRange, "Missing argument",
				"The module in %s needs a value of %q: its variable, declared at %s, has no default.", c.Source, name, v.DefRange))
		}
	}
	return diags
}

// Called returns what the module of a call declares, nil if it could not be found.
func (s *Spec) Called(name string) *Spec { return s.called[name] }

// Child returns the Spec of a directory that is called as a module, at any depth, or nil.
func (s *Spec) Child(dir string) *Spec {
	for _, child := range s.children {
		if child.Dir == dir {
			return child
		}
	}
	return nil
}

// Directories returns the directories that the configuration consists of, that of the root
// module first, and those that are to come with "tidegate get".
func (s *Spec) Directories() []string {
	out := []string{s.Dir}
	for _, child := range s.children {
		out = append(out, child.Dir)
	}
	return append(out, s.missing...)
}

// ModuleAt returns what the module at a path declares, nil if no call leads there.
func (s *Spec) ModuleAt(path address.Module) *Spec {
	for _, step := range path.Steps() {
		if s = s.called[step.Name]; s == nil {
			return nil
		}
	}
	return s
}

// Value gives a module's variable the value of an argument, NilVal where none is given:
// converted, with the defaults of optional attributes, marked where sensitive.
func (v *Variable) Value(given cty.Value, at hcl.Range) (cty.Value, hcl.Diagnostics) {
	if given == cty.NilVal {
		if v.Required() {
			return v.mark(cty.UnknownVal(v.Type)), nil // the call was complained about
		}
		return v.mark(v.Default), nil
	}
	val, diag := v.value(VariableInput{Value: given, Range: at, Source: "the module call"}, true)
	var diags hcl.Diagnostics
	if diag != nil {
		diags = hcl.Diagnostics{diag}
	}
	return v.mark(val), diags
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
