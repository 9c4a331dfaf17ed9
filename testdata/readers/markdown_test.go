package readers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	nethtml "golang.org/x/net/html"
)

// render renders Markdown as services do that keep tags of HTML.
func render(t *testing.T, markdown []byte) string {
	t.Helper()
	var b bytes.Buffer
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))
	if err := md.Convert(markdown, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// allowed are the elements that a comment is made of.
var allowed = []string{
	"html", "head", "body", "h3", "h4", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary",
	"code", "pre", "ul", "li", "b", "strong", "sub", "blockquote", "div", "span",
}

const hostile = "EVIL @everyone <img src=x onerror=alert(1)> ![x](http://evil.example/x.png) [y](z) #1 | \\| **b** `c` ``d`` </code></details><!-- "

const hostileLines = "EVIL\n```\n````\n~~~\n</details>\n/close EVIL\n@everyone EVIL www.evil.example\n    \n# EVIL\n"

// hostileWorld is one in which strangers wrote everything that they can write.
func hostileWorld(t *testing.T) *world {
	quoted := func(s string) string {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(string(data))
	}
	w := newWorld(t, map[string]string{
		"in.json": `{` + quoted("key "+hostile) + `:` + quoted(hostile) + `,"text":` + quoted(hostileLines) + `}`,
		"main.hcl": `
rule "assert" "evil" {
  severity = "warning"
  assertion {
    condition     = value == null
    error_message = ` + quoted(hostile) + `
  }
}
rule "assert" "refused" {
  assertion {
    condition     = value == null
    error_message = ` + quoted(hostileLines) + `
  }
}
source "file" "in" {
  path  = "in.json"
  rules = [rule.assert.evil]
}
source "static" "refused" {
  value = ` + quoted(hostile) + `
  rules = [rule.assert.refused]
}
source "file" "gone" { path = ` + quoted("EVIL @everyone <b> `c`") + ` }
sink "file" "text" {
  path    = ` + quoted("EVIL @everyone | <b> `c` \\| .txt") + `
  content = source.file.in.value.text
}
sink "file" "json" {
  path    = "out.json"
  content = jsonencode(source.file.in.value)
}
sink "exec" "run" { command = ["echo", ` + quoted(hostile) + `] }
output "evil" { value = ` + quoted(hostile) + ` }
`,
	})
	return w
}

// Nothing that strangers wrote is more than text in code.
func TestMarkdownIsHarmless(t *testing.T) {
	for _, limit := range []string{"0", "2000", "6000"} {
		data, code := hostileWorld(t).run("plan", "--format", "markdown", "--comment-limit", limit)
		if code != 1 {
			t.Errorf("exit code %d", code)
		}
		page := render(t, data)
		root, err := nethtml.Parse(strings.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		walk(root, func(n *nethtml.Node, inCode bool) {
			switch {
			case n.Type == nethtml.ElementNode && !slices.Contains(allowed, n.Data):
				t.Errorf("limit %s: an element <%s>", limit, n.Data)
			case n.Type == nethtml.CommentNode && strings.TrimSpace(n.Data) != "tidegate plan":
				t.Errorf("limit %s: a comment %q", limit, n.Data)
			case n.Type != nethtml.TextNode:
			case inCode:
				seen += strings.Count(n.Data, "EVIL")
			case strings.ContainsAny(n.Data, "@#") || strings.Contains(n.Data, "EVIL"):
				t.Errorf("limit %s: outside of code: %q", limit, n.Data)
			}
		})
		if limit == "0" && seen < 15 {
			t.Errorf("only %d hostile texts were shown:\n%s", seen, data)
		}
		if open, closed := strings.Count(page, "<details"), strings.Count(page, "</details>"); open != closed || open == 0 && limit == "0" {
			t.Errorf("limit %s: %d details, %d ends", limit, open, closed)
		}
		if regexp.MustCompile(`(?m)^/`).Match(data) {
			t.Errorf("limit %s: a line that services take for an order:\n%s", limit, data)
		}
	}
}

func walk(n *nethtml.Node, visit func(n *nethtml.Node, inCode bool)) {
	var step func(n *nethtml.Node, inCode bool)
	step = func(n *nethtml.Node, inCode bool) {
		visit(n, inCode)
		inCode = inCode || n.Data == "code" || n.Data == "pre"
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			step(c, inCode)
		}
	}
	step(n, false)
}

// A diff stands in its own block, whole: what a reader sees are the lines of the content.
func TestMarkdownShowsContentAsItIs(t *testing.T) {
	w := newWorld(t, map[string]string{
		"in.txt":   "a\n```\n&amp; <b>\n\ttab\n",
		"main.hcl": "source \"file\" \"in\" { path = \"in.txt\" }\nsink \"file\" \"out\" {\n  path = \"out.txt\"\n  content = source.file.in.text\n}\n",
	})
	data, code := w.run("plan", "--format", "markdown")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, data)
	}
	root, err := nethtml.Parse(strings.NewReader(render(t, data)))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	walk(root, func(n *nethtml.Node, _ bool) {
		if n.Type == nethtml.TextNode && n.Data == "@@ -0,0 +1,4 @@\n+a\n+```\n+&amp; <b>\n+\ttab\n" {
			found = true
		}
	})
	if !found {
		t.Errorf("the diff is another one:\n%s", data)
	}
}

// Whatever characters a message is made of, a reader sees exactly them.
func TestMarkdownKeepsEveryCharacter(t *testing.T) {
	const letters = "||\\\\``**__<>&&@#[]()!~~::..-+=$%{}\"'  abwww.http://x1é日"
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune(letters)
	var config strings.Builder
	for i := range 150 {
		message := []rune{'x'}
		for range random.IntN(30) {
			message = append(message, alphabet[random.IntN(len(alphabet))])
		}
		quoted, err := json.Marshal(string(append(message, 'x')))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("${", "$${", "%{", "%%{", `\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(quoted))
		fmt.Fprintf(&config, "rule \"assert\" \"r%d\" {\n  severity = \"warning\"\n  assertion {\n    condition = value == 0\n    error_message = %s\n  }\n}\n", i, text)
		fmt.Fprintf(&config, "source \"static\" \"s%d\" {\n  value = 1\n  rules = [rule.assert.r%d]\n}\n", i, i)
	}
	w := newWorld(t, map[string]string{"main.hcl": config.String()})
	p, _ := w.plan(2)
	want := map[string]bool{}
	for _, c := range p.Checks {
		for _, problem := range c.Instances[0].Problems {
			want[problem.Message] = true
		}
	}
	if len(want) < 100 {
		t.Fatalf("only %d messages", len(want))
	}
	data, _ := w.run("plan", "--format", "markdown", "--comment-limit", "0")
	root, err := nethtml.Parse(strings.NewReader(render(t, data)))
	if err != nil {
		t.Fatal(err)
	}
	walk(root, func(n *nethtml.Node, _ bool) {
		if n.Type == nethtml.ElementNode && n.Data == "code" {
			delete(want, text(n))
		}
	})
	for message := range want {
		t.Errorf("no code that reads %q", message)
	}
}

// text is all text of an element.
func text(n *nethtml.Node) string {
	var b strings.Builder
	walk(n, func(n *nethtml.Node, _ bool) {
		if n.Type == nethtml.TextNode {
			b.WriteString(n.Data)
		}
	})
	return b.String()
}
