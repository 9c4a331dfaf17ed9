package hclspec

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A later is an expression of a file that is parsed anew whenever it is asked for: a syntax
// tree takes some ten times the text it was made of, and that of a block which depends on no
// data is hardly ever needed again. It stands at the same place and means the same.
type later struct {
	file       *lazyNav // its bytes and its name
	start, end position
}

// position is an hcl.Pos; files are small enough for it.
type position struct{ line, column, offset int32 }

func positionOf(p hcl.Pos) position { return position{int32(p.Line), int32(p.Column), int32(p.Byte)} }

func (p position) pos() hcl.Pos {
	return hcl.Pos{Line: int(p.line), Column: int(p.column), Byte: int(p.offset)}
}

// Later returns what stands for an expression of the files without its syntax tree. What
// cannot be taken out of its file and parsed for itself is returned as it is.
func (s *Spec) Later(expr hcl.Expression) hcl.Expression {
	if _, done := expr.(*later); done {
		return expr
	}
	rng := expr.Range()
	f := s.Files[rng.Filename]
	if f == nil || strings.HasSuffix(rng.Filename, ".json") || !rng.CanSliceBytes(f.Bytes) || !selfContained(expr) {
		return expr
	}
	if bytes.ContainsAny(rng.SliceBytes(f.Bytes), "\r\n") { // as a heredoc, which ends with its line
		return expr
	}
	file, ok := f.Nav.(*lazyNav)
	if !ok {
		return expr
	}
	return &later{file: file, start: positionOf(rng.Start), end: positionOf(rng.End)}
}

// Trim lets go of what serves to resolve references: Resolve finds them all the same, more slowly.
func (s *Spec) Trim() { s.blocks = nil }

// selfContained reports whether an expression consists of those whose range is known to hold
// all of their words.
func selfContained(expr hcl.Expression) bool {
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.ScopeTraversalExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return allSelfContained(e.Parts)
	case *hclsyntax.TemplateWrapExpr:
		return selfContained(e.Wrapped)
	case *hclsyntax.TupleConsExpr:
		return allSelfContained(e.Exprs)
	case *hclsyntax.FunctionCallExpr:
		return allSelfContained(e.Args)
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			if !selfContained(item.KeyExpr) || !selfContained(item.ValueExpr) {
				return false
			}
		}
		return true
	case *hclsyntax.ObjectConsKeyExpr:
		return selfContained(e.Wrapped)
	case interface{ UnwrapExpression() hcl.Expression }: // a guard
		return selfContained(e.UnwrapExpression())
	}
	return false
}

func allSelfContained(exprs []hclsyntax.Expression) bool {
	for _, e := range exprs {
		if !selfContained(e) {
			return false
		}
	}
	return true
}

// UnwrapExpression is how package hcl gets at the expression behind.
func (l *later) UnwrapExpression() hcl.Expression {
	rng := l.Range()
	expr, diags := hclsyntax.ParseExpression(rng.SliceBytes(l.file.src), rng.Filename, rng.Start)
	if diags.HasErrors() { // it was parsed without errors before
		return mistake(rng, diags)
	}
	return guard(expr)
}

func (l *later) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	return l.UnwrapExpression().Value(ctx)
}

func (l *later) Variables() []hcl.Traversal { return l.UnwrapExpression().Variables() }

func (l *later) Range() hcl.Range {
	return hcl.Range{Filename: l.file.name, Start: l.start.pos(), End: l.end.pos()}
}

func (l *later) StartRange() hcl.Range { return l.UnwrapExpression().StartRange() }
