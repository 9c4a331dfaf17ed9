package scan

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// bombs are texts that would end the process if they reached the parser.
func bombs(n int) map[string]string {
	r := strings.Repeat
	return map[string]string{
		"brackets":                "a = " + r("[", n),
		"closed brackets":         "a = " + r("[", n) + r("]", n),
		"parentheses":             "a = " + r("(", n),
		"objects":                 "a = " + r("{a=", n),
		"blocks":                  r("a {", n),
		"blocks on lines":         r("a {\n", n),
		"calls":                   "a = " + r("f(", n),
		"not":                     "a = " + r("!", n) + "true",
		"minus":                   "a = " + r("-", n) + "1",
		"mixed unary":             "a = " + r("-!", n) + "1",
		"minus of text":           "a = →" + r("-", n) + "1",
		"sum":                     "a = 1" + r("+1", n),
		"sum in list":             "a = [1" + r("\n+1", n) + "]",
		"sum in for":              "a = {for k in x : k => 1" + r("\n+1", n) + "}",
		"conditionals":            "a = " + r("x ? 1 : ", n) + "1",
		"conditions":              "a = " + r("x ? ", n) + "1",
		"indexes":                 "a = x" + r("[i]", n),
		"splats":                  "a = x" + r("[*]", n),
		"old splats":              "a = x" + r(".*[0]", n),
		"templates":               "a = " + r(`"${`, n),
		"in template":             `a = "${` + r("(", n) + `}"`,
		"in escape":               `a = "\"${` + r("[", n) + `}"`,
		"directives":              `a = "` + r("%{ if x }", n) + `"`,
		"directives in a heredoc": "a = <<EOT\n" + r("%{ for x in y ~}\n", n) + "EOT\n",
		"ended directives":        `a = "` + r("%{ if x }%{ endif }", n) + `"`,
		"heredocs":                "a = " + r("<<A\n${", n),
		"after heredoc":           "a = <<-A\n  x\n  A\nb = " + r("[", n),
		"after crlf heredoc":      "a = <<A\r\nx\r\nA\r\nb = " + r("[", n),
		"not a heredoc":           "a = x << A\nb = " + r("[", n),
		"unended heredoc":         "a = <<A\nA${" + r("[", n),
		"after comments":          "# \" ${\n// [ \"\n/* \" [ */ a = " + r("[", n),
		"comment that never ends": "a = x /* " + r("(", n),
		"unbalanced":              "a = " + r("( [ ) ", n),
		"after a wrong brace":     "a = }}} " + r("(", n),
		"template end in code":    `a = "${ { ~} ` + r("(", n),
		"string over lines":       "a = \"\n\" \nb = " + r("(", n),
		"dollars":                 `a = "$$$${" ` + "\nb = \"$${\"\nc = " + r("(", n),
		"byte order mark":         "\ufeffa = " + r("[", n),
	}
}

func TestBombsAreRefused(t *testing.T) {
	for name, src := range bombs(150_000) {
		t.Run(name, func(t *testing.T) {
			if err := Config([]byte(src)); err == nil {
				t.Error("the scan found nothing")
			}
		})
	}
}

func TestTemplateBombsAreRefused(t *testing.T) {
	for _, src := range []string{
		"${" + strings.Repeat("[", 150_000),
		strings.Repeat("%{ if x }", 150_000),
		strings.Repeat(`${"`, 150_000),
		`\${` + strings.Repeat("(", 150_000), // no escapes in a bare template
		"\"${" + strings.Repeat("(", 150_000),
	} {
		if Template([]byte(src)) == nil {
			t.Errorf("%.20q... passed", src)
		}
	}
}

func TestJSONBombsAreRefused(t *testing.T) {
	r := strings.Repeat
	for name, src := range map[string]string{
		"arrays":     r("[", 150_000),
		"objects":    r(`{"a":`, 150_000),
		"template":   `{"a": "${` + r("(", 150_000) + `"}`,
		"escaped":    `{"a": "\u0024\u007b` + r(`\u0028`, 150_000) + `"}`,
		"key":        `{"${` + r("[", 150_000) + `}": 1}`,
		"directives": `{"a": "` + r("%{ if x }", 150_000) + `"}`,
		"after text": `{"a": "\\", "b": ` + r("[", 150_000),
		"after line": "{\"a\": \"\n" + r("[", 150_000),
	} {
		if JSON([]byte(src)) == nil {
			t.Errorf("%s: passed", name)
		}
	}
}

func TestOrdinaryTextPassesTheScan(t *testing.T) {
	r := strings.Repeat
	for name, src := range map[string]string{
		"many lists":       "a = [" + r("[1, -2, !x], ", 50_000) + "]",
		"many attributes":  r("a-b-c = x == 1 ? -1 : [0][0]\n", 20_000),
		"many blocks":      r("source \"http\" \"a\" {\n  url = \"${var.a}/b\"\n}\n", 20_000),
		"many parts":       `a = "` + r("${x}-", 50_000) + `"`,
		"brackets in text": `a = "` + r("[({", 5_000) + `"`,
		"in a comment":     "/* " + r("[({\"", 5_000) + " */",
		"in a heredoc":     "a = <<EOT\n" + r("[({\"!!!--\n", 5_000) + "EOT\n",
		"escaped":          `a = "` + r("$${[", 5_000) + `"`,
		"wide object":      "a = {\n" + r("k = 1 + 2\n", 50_000) + "}",
		"dashes":           "a = " + r("x-", 20_000) + "y",
		"closed if":        "a = <<EOT\n" + r("%{ if x }a%{ else }b%{ endif }\n", 5_000) + "EOT\n",
		"deep enough":      "a = " + r("[", 200) + r("]", 200),
		"long enough":      "a = 1" + r("+1", 9_000),
		"unclosed blocks":  r("a {\n b = (\n}\n", 1_000),
	} {
		if err := Config([]byte(src)); err != nil {
			t.Errorf("%s: %s at %d", name, err.Summary, err.Offset)
		}
	}
}

// tokenDepth is the nesting that hclsyntax's own lexer sees.
func tokenDepth(src []byte) int {
	tokens, _ := hclsyntax.LexConfig(src, "x.hcl", hcl.InitialPos)
	var open []hclsyntax.TokenType
	deepest := 0
	closeTo := func(types ...hclsyntax.TokenType) {
		for i := len(open) - 1; i >= 0; i-- {
			if slices.Contains(types, open[i]) {
				open = open[:i]
				return
			}
			if open[i] == hclsyntax.TokenTemplateInterp {
				return
			}
		}
	}
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp:
			open = append(open, t.Type)
		case hclsyntax.TokenTemplateControl:
			open = append(open, hclsyntax.TokenTemplateInterp)
		case hclsyntax.TokenCBrace:
			closeTo(hclsyntax.TokenOBrace)
		case hclsyntax.TokenTemplateSeqEnd:
			closeTo(hclsyntax.TokenTemplateInterp, hclsyntax.TokenOBrace)
		case hclsyntax.TokenCBrack, hclsyntax.TokenCParen:
			want := hclsyntax.TokenOBrack
			if t.Type == hclsyntax.TokenCParen {
				want = hclsyntax.TokenOParen
			}
			if n := len(open); n > 0 && open[n-1] == want {
				open = open[:n-1]
			}
		}
		deepest = max(deepest, len(open))
	}
	return deepest
}

// FuzzScan holds the scan against the lexer: brackets that the lexer sees must not be
// hidden from the scan by what it takes for text or a comment.
func FuzzScan(f *testing.F) {
	for _, src := range bombs(5) {
		f.Add([]byte(src))
	}
	for _, src := range []string{"{:{", "a = \"$$${x}\"", "a = \"%%%{x}\"", "a=<<A\n$${\nA\n", "a=<<A\n${\nA\n}\nA\n", "a=\"\\\n\"", "<<A\r\n\r(", "<<-é\n(\né\n("} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 4096 || !utf8.Valid(src) {
			return
		}
		JSON(src)
		Template(src)
		if Config(src) != nil {
			return
		}
		s := scanner{src: src, frames: []frame{{}}}
		s.run()
		if got, want := s.peak, tokenDepth(src); got < want {
			t.Errorf("the scan saw %d levels, the lexer %d", got, want)
		}
	})
}
