// Package hclspec reads a directory of .hcl files into a Spec: settings, variables,
// locals, outputs, and the blocks of the five kinds (source, detector, rule, rate_limit,
// sink) with their bodies still undecoded, since only the engine knows the kinds' schemas.
//
// It also knows the parts of the language that need no engine: references and what they
// may name, variables' values and their precedence, and the functions of expressions.
//
// What happens when this fails? Nothing is changed and nothing is guessed: Load always
// returns a Spec, with whatever could be read, beside diagnostics that name every
// independent mistake at its place. A Spec that comes with errors is for showing and
// completing, never for applying. No input makes the package panic or exhaust the stack:
// size, encoding and nesting are checked before hclsyntax sees a byte, because its
// parser recurses without a bound and Go cannot recover from a stack overflow.
//
// Loading reads the directory's files and nothing else: no environment, no network. The
// functions that read files (file, templatefile and their like) are confined to the
// module directory and paths.read.
package hclspec
