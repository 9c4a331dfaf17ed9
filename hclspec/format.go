package hclspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns src in the canonical style, byte for byte as terraform fmt writes it: aligned
// and indented, labels quoted, "${x}" unwrapped to x, and the types of variables in their
// present form. A text that does not parse comes back as it is, with the reason. In one thing it
// goes its own way: an interpolation stays wrapped where the file would not parse without.
func Format(src []byte, name string) (out []byte, diags hcl.Diagnostics) {
	if diag := checkText(src, name); diag != nil {
		return src, hcl.Diagnostics{diag}
	}
	// What is written over somebody's work must not depend on the parser being free of bugs.
	defer func() {
		if r := recover(); r != nil {
			out, diags = src, hcl.Diagnostics{errorAt(fileStart(name), "File cannot be formatted",
				"The formatter gave up on %s: %v. It is left as it is.", name, r)}
		}
	}()
	if _, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos); diags.HasErrors() {
		return src, diags
	}
	file, diags := hclwrite.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return src, diags
	}
	formatBody(file.Body(), nil)
	out = file.Bytes()
	if _, diags := hclsyntax.ParseConfig(out, name, hcl.InitialPos); diags.HasErrors() {
		return src, hcl.Diagnostics{errorAt(fileStart(name), "File cannot be formatted",
			"The formatted text of %s would have mistakes that it has not now (%s). It is left as it is.", name, diags[0].Detail)}
	}
	return out, nil
}

func formatBody(body *hclwrite.Body, within []string) {
	for name, attr := range body.Attributes() {
		tokens := attr.Expr().BuildTokens(nil)
		if name == "type" && slices.Equal(within, []string{"variable"}) {
			tokens = formatType(tokens)
		} else {
			tokens = unwrap(tokens)
		}
		body.SetAttributeRaw(name, tokens)
	}
	for _, b := range body.Blocks() {
		b.SetLabels(b.Labels()) // written anew, they are quoted and without comments between them
		formatBody(b.Body(), append(within[:len(within):len(within)], b.Type()))
	}
}

// unwrap turns a template that is nothing but one interpolation, "${x}", into x.
func unwrap(tokens hclwrite.Tokens) hclwrite.Tokens {
	n := len(tokens)
	if n < 5 || tokens[0].Type != hclsyntax.TokenOQuote || tokens[1].Type != hclsyntax.TokenTemplateInterp ||
		tokens[n-2].Type != hclsyntax.TokenTemplateSeqEnd || tokens[n-1].Type != hclsyntax.TokenCQuote {
		return tokens
	}
	inside := tokens[2 : n-2]
	if !oneExpression(inside) {
		return tokens
	}
	inside = trimNewlines(inside)
	if spansLines(inside) && !parenthesised(inside) {
		// Without the braces around it, an expression ends with its line.
		inside = slices.Concat(hclwrite.Tokens{punctuation(hclsyntax.TokenOParen, "(")}, inside,
			hclwrite.Tokens{punctuation(hclsyntax.TokenCParen, ")")})
	}
	if !stands(inside) {
		return tokens
	}
	return inside
}

// stands reports whether an expression can be the value of an attribute: not one with a comment
// before its first line, or with parentheses at both ends that are not each other's.
func stands(tokens hclwrite.Tokens) bool {
	src := slices.Concat([]byte("x = "), tokens.Bytes(), []byte("\n"))
	_, diags := hclsyntax.ParseConfig(src, "", hcl.InitialPos)
	return !diags.HasErrors()
}

// oneExpression reports whether no sequence of the template ends or begins between these
// tokens, and no literal text stands there. What is within quotes of its own does not count.
func oneExpression(tokens hclwrite.Tokens) bool {
	quotes := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOQuote:
			quotes++
		case hclsyntax.TokenCQuote:
			quotes--
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenQuotedLit:
			if quotes <= 0 {
				return false
			}
		}
	}
	return true
}

func trimNewlines(tokens hclwrite.Tokens) hclwrite.Tokens {
	isNewline := func(t *hclwrite.Token) bool { return t.Type == hclsyntax.TokenNewline }
	for len(tokens) > 0 && isNewline(tokens[0]) {
		tokens = tokens[1:]
	}
	for len(tokens) > 0 && isNewline(tokens[len(tokens)-1]) {
		tokens = tokens[:len(tokens)-1]
	}
	return tokens
}

func spansLines(tokens hclwrite.Tokens) bool {
	return slices.ContainsFunc(tokens, func(t *hclwrite.Token) bool { return t.Type == hclsyntax.TokenNewline })
}

func parenthesised(tokens hclwrite.Tokens) bool {
	return tokens[0].Type == hclsyntax.TokenOParen && tokens[len(tokens)-1].Type == hclsyntax.TokenCParen
}

func punctuation(t hclsyntax.TokenType, text string) *hclwrite.Token {
	return &hclwrite.Token{Type: t, Bytes: []byte(text)}
}

// formatType writes the type of a variable in its present form: list, map and set alone are
// of any; "string", "list" and "map" in quotes are of the time before types, when every
// element was a string.
func formatType(tokens hclwrite.Tokens) hclwrite.Tokens {
	switch {
	case len(tokens) == 1 && tokens[0].Type == hclsyntax.TokenIdent:
		switch name := string(tokens[0].Bytes); name {
		case "list", "map", "set":
			return typeTokens(name, "any")
		}
	case len(tokens) == 3 && tokens[0].Type == hclsyntax.TokenOQuote &&
		tokens[1].Type == hclsyntax.TokenQuotedLit && tokens[2].Type == hclsyntax.TokenCQuote:
		switch name := string(tokens[1].Bytes); name {
		case "string":
			return typeTokens(name, "")
		case "list", "map":
			return typeTokens(name, "string")
		}
	}
	return tokens
}

// typeTokens is name, or name(of).
func typeTokens(name, of string) hclwrite.Tokens {
	out := hclwrite.Tokens{punctuation(hclsyntax.TokenIdent, name)}
	if of == "" {
		return out
	}
	return append(out, punctuation(hclsyntax.TokenOParen, "("),
		punctuation(hclsyntax.TokenIdent, of), punctuation(hclsyntax.TokenCParen, ")"))
}

// Formattable reports whether a file of that name is in the native syntax of ours: *.hcl, with
// the tests among them, and *.hclvars. The JSON forms have no style of their own.
func Formattable(name string) bool {
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hclvars")
}
