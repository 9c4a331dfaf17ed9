//go:build unix

package engine_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"tidegate/providers/providertest/host"
)

// A configuration that is wrong is refused by every command that reads it, with what, where
// and what to do, and nothing is touched.
func TestBadConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		parts []string
	}{
		"broken":                 {"sink \"file\" \"a\" {\n  path = \n}\n", []string{"main.hcl line 2"}},
		"no end":                 {"locals {\n  a = 1\n", []string{"main.hcl line"}},
		"not UTF-8":              {"locals { a = \"\xff\" }", []string{"main.hcl", "UTF-8"}},
		"duplicate address":      {"source \"static\" \"a\" { value = 1 }\nsource \"static\" \"a\" { value = 2 }\n", []string{"source.static.a", "line 2", "main.hcl:1"}},
		"duplicate attribute":    {"source \"static\" \"a\" {\n  value = 1\n  value = 2\n}\n", []string{"value", "line 3"}},
		"two sinks on one path":  {file("a", "x") + file("b", "./y/../x"), []string{"sink.file.a", "sink.file.b", "/x"}},
		"unknown block":          {"sinc \"file\" \"a\" {}\n", []string{"sinc", `"sink"`}},
		"unknown source kind":    {"source \"fil\" \"a\" { path = \"x\" }\n", []string{`"fil"`, `"file"`, "line 1"}},
		"unknown sink kind":      {"sink \"htpp\" \"a\" {}\n", []string{`"htpp"`, `"http"`}},
		"unknown detector kind":  {"detector \"etags\" \"a\" {}\n", []string{`"etags"`, `"etag"`}},
		"unknown rule kind":      {"rule \"asert\" \"a\" {}\n", []string{`"asert"`, `"assert"`}},
		"unknown limit kind":     {"rate_limit \"window\" \"a\" {}\n", []string{`"window"`, "sliding_window"}},
		"unknown attribute":      {"sink \"file\" \"a\" {\n  path = \"x\"\n  contents = \"y\"\n}\n", []string{"contents", `"content"`, "line 3"}},
		"unknown nested block":   {"source \"http\" \"a\" {\n  url = \"http://a/\"\n  retri {}\n}\n", []string{"retri", `"retry"`, "line 3"}},
		"unknown nested name":    {"source \"http\" \"a\" {\n  url = \"http://a/\"\n  retry { attempt = 1 }\n}\n", []string{"attempt", `"attempts"`}},
		"missing attribute":      {"sink \"file\" \"a\" { content = \"x\" }\n", []string{"path", "line 1"}},
		"missing attribute http": {"source \"http\" \"a\" {}\n", []string{"url"}},
		"missing content":        {"sink \"file\" \"a\" { path = \"x\" }\n", []string{"content", "content_base64"}},
		"wrong type":             {"sink \"file\" \"a\" {\n  path = \"x\"\n  content = \"y\"\n  create_dirs = \"perhaps\"\n}\n", []string{"create_dirs", "bool", "line 4"}},
		"wrong type list":        {"sink \"exec\" \"a\" { command = { a = 1 } }\n", []string{"command"}},
		"null":                   {"sink \"file\" \"a\" {\n  path = null\n  content = \"y\"\n}\n", []string{"path"}},
		"duration without unit":  {"source \"http\" \"a\" {\n  url = \"http://a/\"\n  timeout = \"10\"\n}\n", []string{"timeout", "line 3", `"10s"`}},
		"duration in words":      {"source \"http\" \"a\" {\n  url = \"http://a/\"\n  timeout = \"ten seconds\"\n}\n", []string{"timeout", "ten seconds"}},
		"negative duration":      {"source \"http\" \"a\" {\n  url = \"http://a/\"\n  timeout = \"-1s\"\n}\n", []string{"timeout", "-1s"}},
		"bad mode":               {"sink \"file\" \"a\" {\n  path = \"x\"\n  content = \"y\"\n  mode = \"rw\"\n}\n", []string{"mode", "octal", "line 4"}},
		"bad URL":                {"source \"http\" \"a\" { url = \"ftp://a/\" }\n", []string{"url", "http"}},
		"bad path in ignore":     {"detector \"hash\" \"a\" { ignore = [\"a[\"] }\n", []string{"ignore"}},
		"bad schema":             {"rule \"schema\" \"a\" { schema = \"{\" }\n", []string{"schema"}},
		"bad window":             {"rate_limit \"sliding_window\" \"a\" {\n  max = 0\n  per = \"1m\"\n}\n", []string{"max"}},
		"unknown reference":      {"source \"static\" \"apple\" { value = 1 }\nlocals { a = source.static.appel.value }\n", []string{"source.static.appel", "source.static.apple", "line 2"}},
		"unknown source part":    {"source \"static\" \"a\" { value = 1 }\nlocals { a = source.static.a.valu }\n", []string{"valu", `"value"`}},
		"unknown variable":       {"variable \"port\" { default = 1 }\nlocals { a = var.prot }\n", []string{"prot", "port"}},
		"unknown local":          {"locals {\n  host = 1\n  b = local.hots\n}\n", []string{"hots", "host"}},
		"unknown function":       {"locals { a = jsonencod({}) }\n", []string{"jsonencod", "jsonencode"}},
		"policy as a value":      {"detector \"hash\" \"a\" {}\nlocals { a = detector.hash.a }\n", []string{"detector.hash.a", "policy"}},
		"wrong kind of list":     {"detector \"hash\" \"d\" {}\nsource \"file\" \"a\" {\n  path = \"x\"\n  rules = [detector.hash.d]\n}\n", []string{"rules", "detector.hash.d"}},
		"unsuitable detector":    {"detector \"hash\" \"d\" {}\nsource \"static\" \"a\" {\n  value = 1\n  detectors = [detector.hash.d]\n}\n", []string{"detector.hash.d", "read once"}},
		"interval too short":     {"source \"file\" \"a\" {\n  path = \"x\"\n  interval = \"20ms\"\n}\n", []string{"20ms", "100ms", "line 3"}},
		"cycle":                  {"locals {\n  a = local.b\n  b = local.c\n  c = local.a\n}\n", []string{"local.a -> local.b -> local.c -> local.a"}},
		"cycle of itself":        {"locals { a = local.a }\n", []string{"local.a -> local.a"}},
		"cycle of sinks":         {"sink \"file\" \"a\" {\n  path = \"x\"\n  content = sink.file.b.sha256\n}\nsink \"file\" \"b\" {\n  path = \"y\"\n  content = \"z\"\n  depends_on = [sink.file.a]\n}\n", []string{"Cycle", "sink.file.a", "sink.file.b"}},
		"cycle through a path":   {"source \"file\" \"a\" { path = \"x\" }\nsink \"file\" \"a\" {\n  path = \"x\"\n  content = source.file.a.text\n}\n", []string{"Cycle", "source.file.a", "sink.file.a"}},
		"required version":       {"tidegate { required_version = \">= 99\" }\n", []string{">= 99", "0.1.0"}},
		"bad version":            {"tidegate { required_version = \"new\" }\n", []string{"required_version"}},
		"two settings":           {"tidegate {}\ntidegate {}\n", []string{"tidegate", "line 2"}},
		"unknown state kind":     {"tidegate {\n  state \"s3\" {}\n}\n", []string{`"s3"`, "local"}},
		"rule without assertion": {"rule \"assert\" \"a\" {}\n", []string{"assertion"}},
		"for_each":               {"sink \"file\" \"a\" {\n  for_each = [1]\n  path = \"x\"\n  content = \"y\"\n}\n", []string{"for_each"}},
		"impure function":        {file("a", "x") + "locals { a = uuid() }\n", []string{"uuid"}},
		"sensitive output":       {"output \"a\" { value = sensitive(\"x\") }\n", []string{"output.a", "sensitive = true"}},
		"variable of wrong type": {"variable \"a\" {\n  type = number\n  default = \"many\"\n}\n", []string{"many", "number"}},
		"command that is empty":  {"sink \"exec\" \"a\" { command = [] }\n", []string{"command"}},
		"path that is a dir":     {"sink \"file\" \"a\" {\n  path = \"dir/\"\n  content = \"x\"\n}\n", []string{"dir/", "directory"}},
		"NUL in a path":          {"sink \"file\" \"a\" {\n  path = \"a\\u0000b\"\n  content = \"x\"\n}\n", []string{"NUL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModule(t, "main.hcl", c.text)
			before := tree(t, m.dir)
			for _, command := range []string{"validate", "plan", "apply --auto-approve"} {
				m.tool(strings.Fields(command)...).want(t, 1, append(c.parts, "main.hcl")...)
				wantTree(t, command, before, tree(t, m.dir))
			}
			r := m.tool("validate", "--json")
			r.want(t, 1, `"valid": false`)
		})
	}
}

// file is a sink.
func file(name, path string) string {
	return "sink \"file\" \"" + name + "\" {\n  path = \"" + path + "\"\n  content = \"x\"\n}\n"
}

// All mistakes of all files are reported at once, those of evaluation included.
func TestBadConfigurationIsReportedAtOnce(t *testing.T) {
	m := newModule(t, "a.hcl", `
source "fil" "a" { path = "x" }
sink "file" "b" {
  path = "x"
  contents = "y"
}
`, "b.hcl", `
locals { c = local.nothing }
source "http" "d" {
  url     = "http://a/"
  timeout = "soon"
}
detector "hash" "e" { interval = "often" }
`, "c.hcl.json", `{"rule": {"asert": {"f": {}}}}`)
	m.tool("validate").want(t, 1, `"fil"`, "contents", "local.nothing", "soon", "often", "asert", "a.hcl", "b.hcl", "c.hcl.json")
}

func TestBadDirectory(t *testing.T) {
	m := newModule(t, "empty/readme.txt", "no configuration", "main.hcl", "locals { a = 1 }", "tests/a.test.hcl", "run {}")
	for _, command := range []string{"validate", "plan", "apply --auto-approve", "destroy --auto-approve", "graph"} {
		for dir, parts := range map[string][]string{
			"missing":  {"There is no directory missing"},
			"main.hcl": {"main.hcl is a file"},
			"empty":    {"empty", ".hcl"},
			"tests":    {"tests", ".hcl"},
		} {
			m.tool(append(strings.Fields(command), dir)...).want(t, 1, parts...)
		}
	}
	if exists(m.path("missing")) || exists(m.path("empty/.tidegate")) {
		t.Error("something was made")
	}
}

func TestBadPermissions(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	m := newModule(t, "main.hcl", "locals { a = 1 }", "secret.hcl", "locals { b = 1 }", "v.hclvars", "", "closed/main.hcl", "locals {}")
	for _, name := range []string{"secret.hcl", "closed"} {
		if err := os.Chmod(m.path(name), 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(m.path(name), 0o755)
	}
	for _, command := range []string{"validate", "plan", "apply --auto-approve"} {
		m.tool(strings.Fields(command)...).want(t, 1, "secret.hcl", "permission denied")
		m.tool(append(strings.Fields(command), "closed")...).want(t, 1, "closed", "permission denied")
	}
	if err := os.Chmod(m.path("secret.hcl"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.tool("plan").want(t, 0, "No changes.")
	if err := os.Chmod(m.path("v.hclvars"), 0); err != nil {
		t.Fatal(err)
	}
	m.tool("plan", "--var-file", "v.hclvars").want(t, 1, "v.hclvars", "permission denied")
}

// What is no regular file is not read, and nothing waits for it.
func TestBadFilesInTheDirectory(t *testing.T) {
	m := newModule(t, "main.hcl", "locals { a = 1 }")
	if err := os.Mkdir(m.path("dir.hcl"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.tool("validate").want(t, 0)
	if err := os.Symlink("nothing", m.path("dead.hcl")); err != nil {
		t.Fatal(err)
	}
	m.tool("validate").want(t, 1, "dead.hcl")
	if err := os.Remove(m.path("dead.hcl")); err != nil {
		t.Fatal(err)
	}
	m.write("big.hcl", "# "+strings.Repeat("x", 5<<20)+"\n")
	m.tool("validate").want(t, 1, "big.hcl", "4")
}

func TestBadVariables(t *testing.T) {
	m := newModule(t, "main.hcl", `
variable "port" {
  type = number
  validation {
    condition     = var.port > 0
    error_message = "port must be positive, got ${var.port}."
  }
}
output "port" { value = var.port }
`)
	for _, c := range []struct {
		args, part string
	}{
		{"plan", "port"},
		{"plan --var port=many", "number"},
		{"plan --var port=-1", "port must be positive, got -1"},
		{"plan --var prot=1", `"port"`},
		{"plan --var port", "port"},
		{"plan --var-file missing.hclvars", "missing.hclvars"},
	} {
		m.tool(strings.Fields(c.args)...).want(t, 1, c.part)
	}
	m.tool("plan", "--var", "port=1").want(t, 0)
	m.environ = append(m.environ, "TIDEGATE_VAR_port=2")
	m.tool("plan").want(t, 0)
	m.write("bad.auto.hclvars", "port = \n")
	m.tool("plan").want(t, 1, "bad.auto.hclvars")
}

func TestBadEnvironment(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "a" {
  path    = "out.txt"
  content = "${env.TIDEGATE_TEST_NOT_SET} ${try(env.ALSO_NOT_SET, "fine")}"
}
`)
	for _, command := range []string{"plan", "apply --auto-approve"} {
		r := m.tool(strings.Fields(command)...)
		r.want(t, 1, "TIDEGATE_TEST_NOT_SET is not set", "try(env.TIDEGATE_TEST_NOT_SET", "line 4")
		if strings.Contains(r.stderr, "ALSO_NOT_SET is") {
			t.Errorf("what try() covers is complained about:\n%s", r.stderr)
		}
	}
	if exists(m.path("out.txt")) || exists(m.path(".tidegate")) {
		t.Error("something was made")
	}
	m.environ = append(m.environ, "TIDEGATE_TEST_NOT_SET=set")
	m.tool("apply", "--auto-approve").want(t, 0)
	m.wantFile("out.txt", "set fine")
}

// validate needs no environment, variable, network, file or credential; everything stands for
// an unknown value.
func TestValidateNeedsNothing(t *testing.T) {
	asked := newTalker(t, document(`{"a":1}`))
	m := newModule(t, "main.hcl", `
variable "token" {
  type      = string
  sensitive = true
}
variable "hosts" { type = list(string) }
source "http" "a" {
  url          = "`+asked.url+`/${env.NOT_SET}.json"
  bearer_token = var.token
  headers      = { X = env.ALSO_NOT_SET }
}
source "file" "b" { path = "missing.yaml" }
source "exec" "c" { command = ["no-such-program", env.HOME] }
source "env" "d" { names = ["NEVER_SET"] }
locals {
  all = merge(source.http.a.value, source.file.b.value, { port = env.PORT + 1 })
}
sink "file" "a" {
  path    = "/nowhere/${env.NOT_SET}/a.json"
  content = jsonencode(local.all)
}
sink "exec" "b" {
  command  = ["reload", tostring(length(var.hosts)), source.exec.c.text]
  triggers = [sink.file.a]
}
sink "http" "c" {
  url  = "http://127.0.0.1:1/${var.hosts[0]}"
  body = jsonencode({ d = source.env.d.value, id = delivery.id })
}
`)
	m.environ = nil
	if err := os.Chmod(m.dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(m.dir, 0o755)
	before := tree(t, m.dir)
	m.tool("validate").want(t, 0, "Success!")
	wantTree(t, "validate", before, tree(t, m.dir))
	if n := len(asked.seen()); n != 0 {
		t.Errorf("validate sent %d requests", n)
	}
	m.tool("plan").want(t, 1, "var.token", "var.hosts", "NOT_SET is not set", "ALSO_NOT_SET is not set", "PORT is not set")
}

// One run reports every mistake at its place: several in one block, those in blocks whose
// other attributes are unknown or wrong, and those beside a cycle.
func TestEveryMistakeIsReportedAtItsPlace(t *testing.T) {
	text, err := os.ReadFile("../testdata/bad/all/main.hcl")
	if err != nil {
		t.Fatal(err)
	}
	want := map[int][]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if code, words, found := strings.Cut(line, " # "); found && strings.TrimSpace(code) != "" {
			want[i+1] = strings.Split(words, " || ")
		}
	}
	m := newModule(t, "main.hcl", string(text))
	r := m.tool("validate", "--json")
	r.want(t, 1)
	var out struct {
		Diagnostics []struct {
			Summary, Detail string
			Range           struct{ Start struct{ Line int } }
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil {
		t.Fatal(err, r.stdout)
	}
	for _, d := range out.Diagnostics {
		line := d.Range.Start.Line
		i := slices.IndexFunc(want[line], func(words string) bool { return strings.Contains(d.Detail, words) })
		if i < 0 {
			t.Errorf("line %d: not expected, or said twice: %s: %s", line, d.Summary, d.Detail)
			continue
		}
		want[line] = slices.Delete(want[line], i, i+1)
	}
	for line, missing := range want {
		for _, words := range missing {
			t.Errorf("line %d: nobody says %q", line, words)
		}
	}
}
