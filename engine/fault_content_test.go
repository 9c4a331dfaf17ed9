//go:build unix

package engine_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"tidegate/engine/plan"
)

// contentModule renders one file's value into another, beside a sink that has nothing to do
// with it.
func contentModule(t *testing.T, name, good string, attributes ...string) *module {
	m := newModule(t, name, good, "main.hcl", fmt.Sprintf(`
source "file" "c" {
  path = %q
  %s
}
sink "file" "c" {
  path    = "out.json"
  content = jsonencode(source.file.c.value)
}
sink "file" "other" {
  path    = "other.txt"
  content = "independent"
}
`, name, strings.Join(attributes, "\n  ")))
	m.mustApply()
	return m
}

// keeps applies a module whose source went bad: the error says so, the sink stays byte for
// byte and is not even touched, and everything else is applied.
func (m *module) keeps(t *testing.T, source string, parts ...string) {
	t.Helper()
	before, err := os.Stat(m.path("out.json"))
	if err != nil {
		t.Fatal(err)
	}
	held, _ := m.read("out.json")
	m.write("other.txt", "edited behind our back")
	p, _, diags := m.apply()
	wantError(t, diags, append(parts, source, "The accepted value stays in use")...)
	if c := sourceChange(t, p, source); c.Standing != plan.Accepted || c.Problem == plan.NoProblem {
		t.Errorf("the source stands on %s with problem %q", c.Standing, c.Problem)
	}
	if !p.Failed() {
		t.Error("the plan does not count as failed: the exit code would be 0")
	}
	m.wantFile("out.json", held)
	m.wantFile("other.txt", "independent")
	if after, _ := os.Stat(m.path("out.json")); !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Error("the sink was written")
	}
}

const bidi = "\u202e"

// C1, C2, C3, C10 and their like: what is not strictly one document of its format is refused,
// with source, format and line.
func TestFaultContentBrokenDocumentsChangeNothing(t *testing.T) {
	good := map[string]string{"c.json": `{"port":1}`, "c.yaml": "port: 1\n", "c.toml": "port = 1\n", "c.txt": "port"}
	for name, c := range map[string]struct {
		file, bad string
		parts     []string
	}{
		"C1 JSON duplicate key":       {"c.json", "{\n \"port\": 1,\n \"port\": 2}", []string{"json", "line 3", "port"}},
		"C1 JSON escaped duplicate":   {"c.json", "{\"port\": 1, \"\\u0070ort\": 2}", []string{"json", "line 1", "port"}},
		"C1 JSON nested duplicate":    {"c.json", "{\"a\": [\n{\"x\": 1,\n\"x\": 1}]}", []string{"json", "line 3"}},
		"C1 YAML duplicate key":       {"c.yaml", "port: 1\nhost: a\nport: 2\n", []string{"yaml", "line 3", "port"}},
		"C1 TOML duplicate key":       {"c.toml", "port = 1\nport = 2\n", []string{"toml", "line 2", "port"}},
		"C2 JSON invalid UTF-8":       {"c.json", "{\n\"a\": \"\xff\"}", []string{"json", "line 2", "UTF-8"}},
		"C2 YAML invalid UTF-8":       {"c.yaml", "a: b\nc: \"\xff\"\n", []string{"yaml", "line 2", "UTF-8"}},
		"C2 text invalid UTF-8":       {"c.txt", "a\xff", []string{"text", "UTF-8"}},
		"C2 JSON byte order mark":     {"c.json", "\ufeff{}", []string{"json", "byte order mark"}},
		"C2 JSON NUL":                 {"c.json", "{\"a\":\x00 1}", []string{"json", "line 1"}},
		"C2 JSON UTF-16":              {"c.json", "{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", []string{"json"}},
		"C3 JSON NaN":                 {"c.json", "{\n\n\"a\": NaN}", []string{"json", "line 3"}},
		"C3 JSON Infinity":            {"c.json", `{"a": -Infinity}`, []string{"json", "line 1"}},
		"C3 JSON 1e999":               {"c.json", `{"a": 1e999}`, []string{"json", "line 1", "out of range"}},
		"C3 JSON 1e999999999":         {"c.json", `{"a": 1e999999999999}`, []string{"json", "out of range"}},
		"C3 YAML NaN":                 {"c.yaml", "a: 1\nb: .nan\n", []string{"yaml", "line 2"}},
		"C3 YAML Inf":                 {"c.yaml", "a: -.inf\n", []string{"yaml", "line 1"}},
		"C3 TOML NaN":                 {"c.toml", "a = 1\nb = nan\n", []string{"toml", "line 2"}},
		"C8 JSON null":                {"c.json", "null", []string{"empty"}},
		"C9 JSON empty object":        {"c.json", "{}", []string{"empty", "allow_empty"}},
		"C9 JSON empty list":          {"c.json", "[]", []string{"empty"}},
		"C9 no bytes":                 {"c.json", "", []string{"empty"}},
		"C9 only white space":         {"c.yaml", "\n\n# nothing\n", []string{"empty"}},
		"C9 empty text":               {"c.txt", "", []string{"empty"}},
		"C10 JSON trailing data":      {"c.json", "{\"a\":1}\n}", []string{"json", "line 2"}},
		"C10 JSON two documents":      {"c.json", "{\"a\":1}\n{\"a\":2}", []string{"json", "line 2"}},
		"C10 YAML two documents":      {"c.yaml", "a: 1\n---\na: 2\n", []string{"yaml", "line 2"}},
		"C10 JSON cut":                {"c.json", "{\"a\":[1,2", []string{"json", "line 1"}},
		"C10 JSON comment":            {"c.json", "{\"a\":1 // one\n}", []string{"json", "line 1"}},
		"C10 JSON trailing comma":     {"c.json", "{\"a\":1,\n}", []string{"json", "line 2"}},
		"C10 TOML garbage":            {"c.toml", "a = 1\n?\n", []string{"toml", "line 2"}},
		"C2 YAML tab indentation":     {"c.yaml", "a:\n\t- 1\n", []string{"yaml", "line 2"}},
		"C2 YAML escape in key shown": {"c.yaml", "\"\\u202e\": 1\n\"\\u202e\": 2\n", []string{"yaml", "line 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := contentModule(t, c.file, good[c.file])
			m.write(c.file, c.bad)
			m.keeps(t, "source.file.c", c.parts...)
			// B5: after a bad one the next good one is taken.
			m.write(c.file, strings.Replace(good[c.file], "port", "next", 1))
			m.mustApply()
			if got, _ := m.read("out.json"); !strings.Contains(got, "next") {
				t.Errorf("the next good value was not delivered: %s", got)
			}
		})
	}
}

// C3: no number is ever silently another one.
func TestFaultContentNumbersTravelExactly(t *testing.T) {
	for text, want := range map[string]string{
		"9007199254740993":                     "9007199254740993",
		"-9007199254740993":                    "-9007199254740993",
		"0.1":                                  "0.1",
		"1e-7":                                 "1e-7",
		"0.1000000000000000055511151231257827": "0.1000000000000000055511151231257827",
		"123456789012345678901234567890.125":   "123456789012345678901234567890.125",
		"18446744073709551616":                 "18446744073709551616",
	} {
		m := newModule(t, "n.json", `{"n":`+text+`}`, "main.hcl", `
source "file" "n" { path = "n.json" }
sink "file" "encoded" {
  path    = "encoded.json"
  content = jsonencode(source.file.n.value)
}
sink "file" "text" {
  path    = "text.json"
  content = source.file.n.text
}
`)
		m.mustApply()
		m.wantFile("text.json", `{"n":`+text+`}`)
		got, _ := m.read("encoded.json")
		got = strings.TrimSuffix(strings.TrimPrefix(got, `{"n":`), "}")
		if got != want && !sameNumber(got, want) {
			t.Errorf("%s became %s", text, got)
		}
		m.wantNoChanges()
	}
}

// sameNumber compares two spellings exactly.
func sameNumber(a, b string) bool {
	x, ok1 := newRat(a)
	y, ok2 := newRat(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

// C3: minus zero is zero, and says so rather than flap.
func TestFaultContentMinusZeroIsZero(t *testing.T) {
	m := contentModule(t, "c.json", `{"n":0}`)
	m.write("c.json", `{"n":-0}`)
	_, result := m.mustApply()
	if result.Changed > 0 {
		t.Errorf("-0 was delivered over 0: %+v", result)
	}
	m.wantFile("out.json", `{"n":0}`)
}

// C4, C5: documents that are small and mean much, or nothing but depth.
func TestFaultContentBombs(t *testing.T) {
	aliases := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		aliases += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	for name, c := range map[string]struct{ file, good, bad, part string }{
		"C4 JSON depth 10k":    {"c.json", `{"a":1}`, strings.Repeat("[", 10_000) + "1" + strings.Repeat("]", 10_000), "deep"},
		"C4 JSON depth 100k":   {"c.json", `{"a":1}`, strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), "deep"},
		"C4 JSON depth 1M":     {"c.json", `{"a":1}`, strings.Repeat("[", 1_000_000), "deep"},
		"C4 YAML depth 10k":    {"c.yaml", "a: 1", strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), "deep"},
		"C4 YAML depth 100k":   {"c.yaml", "a: 1", strings.Repeat("- ", 100_000) + "x", "deep"},
		"C4 TOML depth 100k":   {"c.toml", "a = 1", "a = " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "deep"},
		"C4 TOML dotted key":   {"c.toml", "a = 1", strings.TrimSuffix(strings.Repeat("a.", 100_000), ".") + " = 1", "deep"},
		"C5 YAML alias bomb":   {"c.yaml", "a: 1", aliases, "alias"},
		"C5 YAML alias of own": {"c.yaml", "a: 1", "a: &a [*a]\n", "alias"},
	} {
		t.Run(name, func(t *testing.T) {
			m := contentModule(t, c.file, c.good)
			m.write(c.file, c.bad)
			begun := time.Now()
			m.keeps(t, "source.file.c", c.part)
			if d := time.Since(begun); d > 2*time.Minute {
				t.Errorf("it took %v to refuse it", d)
			}
		})
	}
}

// C6, B12: 150,000 brackets in the configuration itself, through every command that reads it.
func TestFaultContentConfigurationNestingBomb(t *testing.T) {
	const depth = 150_000
	for name, text := range map[string]string{
		"brackets":     "locals {\n  a = " + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "\n}\n",
		"parentheses":  "locals {\n  a = " + strings.Repeat("(", depth) + "1" + strings.Repeat(")", depth) + "\n}\n",
		"open":         "locals {\n  a = " + strings.Repeat("(", depth),
		"templates":    "locals {\n  a = " + strings.Repeat(`"${`, depth) + "1" + strings.Repeat(`}"`, depth) + "\n}\n",
		"blocks":       strings.Repeat("a {\n", depth) + strings.Repeat("}\n", depth),
		"objects":      "locals {\n  a = " + strings.Repeat("{a=", depth) + "1" + strings.Repeat("}", depth) + "\n}\n",
		"unary":        "locals {\n  a = " + strings.Repeat("!", depth) + "true\n}\n",
		"minus":        "locals {\n  a = " + strings.Repeat("-", depth) + "1\n}\n",
		"conditionals": "locals {\n  a = " + strings.Repeat("true ? 1 : ", depth) + "1\n}\n",
		"braces":       "{:{",
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", text)
			for _, command := range []string{"validate", "plan"} {
				r := m.tool(command)
				r.want(t, 1, "main.hcl")
				if len(r.stderr) > 20_000 {
					t.Errorf("%s answers with %d bytes", command, len(r.stderr))
				}
			}
			if exists(m.path(".tidegate")) {
				t.Error("a state was made")
			}
		})
	}
	// The same in the JSON syntax.
	m := newModule(t, "main.hcl.json", `{"locals":{"a":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}}`)
	m.tool("validate").want(t, 1, "main.hcl.json")
	m.tool("plan").want(t, 1, "main.hcl.json")
}

// C7: 10 MB of tiny keys are within the size cap, and cost no more than a bounded multiple;
// one byte over the cap is refused.
func TestFaultContentManyTinyKeys(t *testing.T) { // not beside others, whose memory would count
	var b strings.Builder
	b.WriteString("{")
	size := 10 << 20
	if raceEnabled {
		size = 1 << 20
	}
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `"%x":%d,`, i, i%10)
	}
	text := strings.TrimSuffix(b.String(), ",") + "}"
	m := newModule(t, "c.json", text, "main.hcl", `
source "file" "c" { path = "c.json" }
sink "file" "c" {
  path    = "out.json"
  content = source.file.c.text
}
`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	m.mustApply()
	runtime.ReadMemStats(&after)
	if d := time.Since(begun); d > 10*time.Minute {
		t.Errorf("it took %v", d)
	}
	if asked := (after.TotalAlloc - before.TotalAlloc) >> 20; asked > 4000 {
		t.Errorf("it asked for %d MB of memory", asked)
	}
	m.wantFile("out.json", text)
}

func TestFaultContentSizeCap(t *testing.T) {
	m := contentModule(t, "c.json", `{"a":1}`, "max_bytes = 1000")
	m.write("c.json", `{"a":"`+strings.Repeat("x", 1000)+`"}`)
	m.keeps(t, "source.file.c", "max_bytes = 1000")
	m = contentModule(t, "c.json", `{"a":1}`)
	m.write("c.json", `{"a":"`+strings.Repeat("x", 64<<20)+`"}`)
	m.keeps(t, "source.file.c", "max_bytes")
}

// C2: what could rewrite the reader's terminal or hide a line is shown as escapes.
func TestFaultContentControlCharactersAreEscapedInThePlan(t *testing.T) {
	const nasty = "safe" + bidi + "gnp.exe\u2066\u2028\x1b]0;owned\x07\x1b[2J\u200b\r\x00"
	quoted := strings.NewReplacer("\x1b", `\u001b`, "\x07", `\u0007`, "\r", `\r`, "\x00", `\u0000`).Replace(nasty)
	m := newModule(t, "c.json", `{"a":"`+quoted+`"}`, "main.hcl", `
source "file" "c" {
  path  = "c.json"
  rules = [rule.assert.says]
}
rule "assert" "says" {
  severity = "warning"
  assertion {
    condition     = false
    error_message = "got ${value.a}"
  }
}
sink "file" "c" {
  path    = "out.txt"
  content = "line one\n${source.file.c.value.a}\n"
}
sink "exec" "c" { command = ["/bin/echo", source.file.c.value.a] }
output "c" { value = source.file.c.value.a }
`)
	// A NUL in an argument cannot be run; the plan is what this is about.
	for _, args := range [][]string{{"plan"}, {"plan", "--json"}} {
		r := m.tool(args...)
		for _, bad := range []string{bidi, "\u2066", "\u2028", "\x1b", "\x07", "\u200b", "\r", "\x00"} {
			if args[len(args)-1] == "--json" && bad >= "\u0080" {
				continue // JSON is for programs, and these are no control characters there
			}
			if strings.Contains(r.stdout+r.stderr, bad) {
				t.Errorf("%v shows %q raw", args, bad)
			}
		}
		if args[len(args)-1] == "plan" && !strings.Contains(r.stdout, `\u202e`) {
			t.Errorf("the plan does not show the override:\n%s", r.stdout)
		}
	}
}

// C11: a pattern that kills other engines is linear here, and a rule's pattern of 1 MB does
// not hang anything.
func TestFaultContentPatterns(t *testing.T) {
	m := newModule(t, "c.json", `{"a":"`+strings.Repeat("a", 100_000)+`!"}`, "main.hcl", `
source "file" "c" {
  path  = "c.json"
  rules = [rule.assert.slow, rule.schema.slow]
}
rule "assert" "slow" {
  assertion {
    condition     = can(regex("^(a+)+$", value.a))
    error_message = "no match"
  }
}
rule "schema" "slow" {
  schema = jsonencode({ properties = { a = { pattern = "^(([a-z])+.)+[A-Z]([a-z])+$" } } })
}
`)
	begun := time.Now()
	_, _, diags := m.apply()
	wantError(t, diags, "no match", "rule.schema.slow")
	if d := time.Since(begun); d > 2*time.Minute {
		t.Errorf("judging took %v", d)
	}
}

// C12: expressions and templates that would not end or be huge are errors, not the end of
// the process.
func TestFaultContentTemplates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ expression, file, part string }{
		"missing key":  {`templatefile("t.tpl", {})`, "${nothing}", "nothing"},
		"recursion":    {`templatefile("t.tpl", {})`, `${templatefile("t.tpl", {})}`, "templatefile"},
		"outside":      {`file("/etc/passwd")`, "", "paths.read"},
		"dots":         {`file("../../../../../../../../etc/passwd")`, "", "paths.read"},
		"environment":  {`templatefile("t.tpl", {})`, "${env.HOME}", "env"},
		"unknown word": {`templatefile("t.tpl", {})`, "%{ include }", "t.tpl"},
		"loops":        {`jsonencode([for i in range(1024): [for j in range(1024): [for k in range(1024): k]]])`, "", "steps"},
		"loops inside": {`templatefile("t.tpl", {})`, strings.Repeat("%{ for i in range(1024) }", 4) + "x" + strings.Repeat("%{ endfor }", 4), "steps"},
		"width":        {`format("%1000000000d", 1)`, "", "width"},
		"1 GB":         {`join(",", [for s in setproduct(range(1000), range(1000)): format("%1000s", "x")])`, "", "MiB"},
		"number":       {`"${1e4000000}"`, "", "out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "t.tpl", c.file, "main.hcl", fmt.Sprintf(`
sink "file" "c" {
  path    = "out.txt"
  content = %s
}
`, c.expression))
			wantBounded(t, m.tool("plan"), c.part)
			if exists(m.path("out.txt")) {
				t.Error("the sink was written")
			}
		})
	}
}

// wantBounded wants that a plan is refused for a reason. On a machine that is too slow for all the
// work that is allowed the time that is allowed may end first, which is said, too.
func wantBounded(t *testing.T, r toolResult, reason string) {
	t.Helper()
	if strings.Contains(r.stderr, "Evaluation takes too long") {
		reason = "were given up after"
	}
	r.want(t, 1, reason)
}

// C12: a chain of locals, each twice the one before, and the same in the JSON syntax.
func TestFaultContentDoubling(t *testing.T) {
	for name, next := range map[string]string{"text": `"${local.a%d}${local.a%[2]d}"`, "list": `[local.a%d, local.a%[2]d]`} {
		text := "locals {\n  a0 = [\"0123456789\"][0]\n"
		for i := range 60 {
			text += fmt.Sprintf("  a%d = "+next+"\n", i+1, i)
		}
		m := newModule(t, "main.hcl", text+"}\nsink \"file\" \"c\" {\n  path = \"out.txt\"\n  content = jsonencode(local.a60)\n}\n")
		begun := time.Now()
		m.tool("plan").want(t, 1, "too large", "main.hcl")
		if d := time.Since(begun); d > 5*time.Minute {
			t.Errorf("%s: it took %v to refuse it", name, d)
		}
	}
	m := newModule(t, "main.hcl.json", `{"sink":{"file":{"c":{"path":"out.txt",
		"content":"${length([for i in range(1024): [for j in range(1024): [for k in range(1024): k]]])}"}}}}`)
	r := m.tool("plan")
	r.want(t, 1, "main.hcl.json")
	wantBounded(t, r, "steps")
}

// C13: another spelling of the same value is no change, in every format.
func TestFaultContentReformattingIsNoChange(t *testing.T) {
	for name, c := range map[string]struct{ file, first, second string }{
		"order":       {"c.json", `{"a":1,"b":{"c":2,"d":3}}`, `{"b":{"d":3,"c":2},"a":1}`},
		"white space": {"c.json", `{"a":[1,2]}`, "{\n\t\"a\" : [ 1 ,\r\n 2 ] }\n"},
		"floats":      {"c.json", `{"a":1,"b":100}`, `{"a":1.0,"b":1e2}`},
		"escapes":     {"c.json", `{"a":"é/"}`, `{"\u0061":"\u00e9\/"}`},
		"YAML styles": {"c.yaml", "a: [1, 2]\nb: x\n", "---\n# a comment\nb: \"x\"\na:\n- 1\n- 2\n"},
		"TOML tables": {"c.toml", "[a]\nb = 1\n", "a = { b = 1 } # inline\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m := contentModule(t, c.file, c.first)
			before := tree(t, m.dir)
			m.write(c.file, c.second)
			p, result := m.mustApply()
			if result.Changed+result.Accepted+result.Added > 0 {
				t.Errorf("it was delivered: %+v", result)
			}
			if s := sourceChange(t, p, "source.file.c"); !s.FormatOnly {
				t.Error("the plan does not say that only the format changed")
			}
			if after := tree(t, m.dir); after["out.json"] != before["out.json"] {
				t.Error("the sink was written")
			}
		})
	}
}

// C14, B9: of a secret the plan says that it changed, and neither what nor how long it is.
func TestFaultContentSecretChangeShowsNoLength(t *testing.T) {
	m := newModule(t, "c.json", `{"user":"bob","password":"hunter2-canary"}`, "main.hcl", `
source "file" "c" {
  path      = "c.json"
  sensitive = true
}
sink "file" "c" {
  path    = "out.json"
  content = jsonencode(source.file.c.value)
}
sink "exec" "c" {
  command = ["/bin/sh", "-c", "echo \"$1\"; echo \"$1\" >&2; exit 1", "sh", source.file.c.value.password]
  retry { attempts = 1 }
}
`)
	all := ""
	run := func(code int, args ...string) {
		r := m.tool(args...)
		r.want(t, code)
		all += r.stdout + r.stderr
	}
	run(1, "apply", "--auto-approve") // the program fails and prints its secret
	short := m.planAfter(`{"user":"bob","password":"canary-x"}`)
	long := m.planAfter(`{"user":"bob","password":"canary-` + strings.Repeat("y", 5000) + `"}`)
	if short != long {
		t.Errorf("the plan depends on the length of a secret:\n%s\n%s", short, long)
	}
	if !strings.Contains(short, "sensitive") {
		t.Errorf("the plan does not say that something sensitive changed:\n%s", short)
	}
	all += short + long
	run(1, "apply", "--auto-approve")
	run(0, "history")
	run(0, "history", "--json")
	run(0, "show")
	run(0, "show", "--json")
	run(0, "state", "pull")
	m.write("c.json", `{"password":"canary-broken`)
	run(1, "plan")
	m.write("c.json", `{"password":"canary-1","password":"canary-2"}`)
	run(1, "plan", "--json")
	if at := strings.Index(all, "canary"); at >= 0 {
		t.Errorf("the secret is shown: ...%s", all[max(0, at-200):min(len(all), at+100)])
	}
	for _, name := range regular(t, m.path(".tidegate")) {
		if text, _ := m.read(".tidegate/" + name); strings.Contains(text, "canary") {
			t.Errorf("the secret is in %s", name)
		}
	}
}

// planAfter is what plan prints of a new value, without what names the version.
func (m *module) planAfter(value string) string {
	m.t.Helper()
	m.write("c.json", value)
	r := m.tool("plan")
	r.want(m.t, 0, "sink.file.c")
	var out []string
	for line := range strings.Lines(r.stdout) {
		if !strings.Contains(line, "version:") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// The same refusals when the bytes come over HTTP, also of a compressed bomb (H12).
func TestFaultContentOverHTTP(t *testing.T) {
	bomb := new(bytes.Buffer)
	z := gzip.NewWriter(bomb)
	fmt.Fprint(z, `{"a":"`)
	for range 100 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	z.Close()
	noise := make([]byte, 2000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for name, c := range map[string]struct {
		body     []byte
		encoding string
		part     string
	}{
		"C1 duplicate keys": {[]byte(`{"a":1,"a":2}`), "", "json"},
		"C10 garbage":       {[]byte(`{"a":1} x`), "", "json"},
		"C2 noise":          {noise, "", "json"},
		"H12 gzip bomb":     {bomb.Bytes(), "gzip", "max_bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			body, encoding := []byte(`{"a":1}`), ""
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if encoding != "" {
					w.Header().Set("Content-Encoding", encoding)
				}
				_, _ = w.Write(body)
			}))
			defer s.Close()
			m := httpModule(t, s.URL)
			body, encoding = c.body, c.encoding
			m.keeps(t, "source.http.c", c.part)
		})
	}
}
