package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// Sensitive is the mark of values that must never be shown, the one of package mark.
const Sensitive = mark.Sensitive

// A Spec is what a directory declares. It is not changed after Load, except that
// CollectInputs adds the files it reads to Files; it may be read concurrently.
type Spec struct {
	Dir       string // absolute and cleaned
	Settings  Settings
	Variables map[string]*Variable
	Locals    map[string]*Local
	Outputs   map[string]*Output
	Modules   map[string]*ModuleCall
	Moved     []*Moved   // by file and then by position
	Removed   []*Removed // likewise
	Checks    map[string]*Check

	// Blocks holds the blocks of the five kinds, by file and then by position.
	Blocks []*Block

	// Files maps the names that ranges carry to the files' bytes, for the snippets of
	// diagnostics, those of called modules included. The syntax trees are not kept in it.
	Files map[string]*hcl.File

	// Hash is "sha256:..." over names and bytes of the configuration files, those of called
	// modules included. It does not depend on where the directory is.
	Hash string

	blocks map[address.Address]*Block
	parsed []*parsedFile
	inputs []string // names of the files that gave values to variables
	stored Stored   // what it was loaded from, nil for the disk

	given    string           // Dir as it was given, which names of files begin with
	called   map[string]*Spec // by the name of the call
	children []*Spec          // of the root: all that are called, at any depth, each once
	checkout *checkout        // that it is in, nil for none
	missing  []string         // of the root: directories of modules from git that are not there
	locked   []byte           // of the root: the lock file, nil if it was not needed or there is none
}

// A Block is a source, detector, rule, rate limit or sink. Its body is undecoded, but for what
// says how many instances it has.
type Block struct {
	Address    address.Address
	Repetition *Repetition // nil where the block is its own only instance
	Body       hcl.Body
	DefRange   hcl.Range // the header: type and labels
}

// A Variable is an input of the module.
type Variable struct {
	Name        string
	Description string

	// Type is the type of the variable's values; cty.DynamicPseudoType if any will do.
	Type cty.Type
	// Constraint is the type as written, in which object attributes may be optional.
	// Values are converted to it, which gives a value of Type.
	Constraint cty.Type
	// Defaults are those of optional attributes, applied before the conversion; may be nil.
	Defaults *typeexpr.Defaults
	// Literal says that a value given as a string (by --var or the environment) is taken
	// as it stands; else it is an expression.
	Literal bool

	Default     cty.Value // converted; cty.NilVal if a value is required
	Nullable    bool      // true unless switched off
	Sensitive   bool
	Ephemeral   bool // the value is stored nowhere
	Validations []Condition
	DefRange    hcl.Range
}

// Required reports whether a value must be given.
func (v *Variable) Required() bool { return v.Default == cty.NilVal }

// A Condition is a validation or precondition: where Condition is false, ErrorMessage
// says what is wrong.
type Condition struct {
	Condition    hcl.Expression
	ErrorMessage hcl.Expression
	Range        hcl.Range
}

// A Local is one named expression of a locals block.
type Local struct {
	Name     string
	Expr     hcl.Expression
	DefRange hcl.Range
}

// An Output is a value that the module reports.
type Output struct {
	Name          string
	Description   string
	Expr          hcl.Expression
	Sensitive     bool
	Preconditions []Condition
	DependsOn     []*Reference
	DefRange      hcl.Range
}

// Block returns the declaration that a names, whatever its instance key, or nil.
func (s *Spec) Block(a address.Address) *Block {
	if s.blocks != nil {
		return s.blocks[a.Block()]
	}
	for _, b := range s.Blocks {
		if b.Address == a.Block() {
			return b
		}
	}
	return nil
}
