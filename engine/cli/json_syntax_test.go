package cli_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine/cli"
	"tidegate/providers/all"
)

// toJSON writes a configuration in the native syntax in JSON: constants as such, every other
// expression as a text that holds nothing but ${...} around it as it was written.
func toJSON(t *testing.T, name string, src []byte) []byte {
	t.Helper()
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	out, err := json.MarshalIndent(jsonOf(t, file.Body.(*hclsyntax.Body), src, true), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func jsonOf(t *testing.T, body *hclsyntax.Body, src []byte, top bool) map[string]any {
	t.Helper()
	out := map[string]any{}
	for name, a := range body.Attributes {
		if name == "iterator" {
			out[name] = hcl.ExprAsKeyword(a.Expr)
			continue
		}
		out[name] = jsonExpression(t, a.Expr, src)
	}
	for _, b := range body.Blocks {
		inner := any(jsonOf(t, b.Body, src, false))
		if b.Type == "variable" && top {
			if typ := b.Body.Attributes["type"]; typ != nil {
				inner.(map[string]any)["type"] = string(typ.Expr.Range().SliceBytes(src))
			}
		}
		for _, label := range slices.Backward(b.Labels) {
			inner = map[string]any{label: inner}
		}
		list, _ := out[b.Type].([]any)
		out[b.Type] = append(list, inner)
	}
	return out
}

func jsonExpression(t *testing.T, expr hclsyntax.Expression, src []byte) any {
	t.Helper()
	switch e := expr.(type) {
	case *hclsyntax.TupleConsExpr:
		list := []any{}
		for _, item := range e.Exprs {
			list = append(list, jsonExpression(t, item, src))
		}
		return list
	case *hclsyntax.TemplateExpr:
		if bytes.HasPrefix(expr.Range().SliceBytes(src), []byte("<<")) && !bytes.HasPrefix(expr.Range().SliceBytes(src), []byte("<<-")) {
			return heredoc(string(expr.Range().SliceBytes(src)))
		}
		if !e.IsStringLiteral() {
			return "${" + string(expr.Range().SliceBytes(src)) + "}"
		}
	}
	if v, diags := expr.Value(nil); !diags.HasErrors() && v.IsWhollyKnown() {
		data, err := ctyjson.Marshal(escaped(t, v), v.Type())
		if err != nil {
			t.Fatal(err)
		}
		return json.RawMessage(data)
	}
	return "${" + string(expr.Range().SliceBytes(src)) + "}"
}

// heredoc is the template in a heredoc that is not indented, as a text.
func heredoc(text string) string {
	head, body, _ := strings.Cut(text, "\n")
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	marker := strings.TrimLeft(head, "<")
	if last := len(lines) - 1; strings.TrimSpace(lines[last]) == marker {
		lines = lines[:last]
	}
	return strings.Join(lines, "\n") + "\n"
}

// escaped lets texts stand for themselves, which are templates in JSON.
func escaped(t *testing.T, v cty.Value) cty.Value {
	t.Helper()
	out, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if v.Type() != cty.String || v.IsNull() {
			return v, nil
		}
		return cty.StringVal(strings.NewReplacer("${", "$${", "%{", "%%{").Replace(v.AsString())), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// further are configurations of what the examples have none of.
var further = map[string]string{
	"variables": `
variable "limits" {
  type = object({ workers = optional(number, 4), tags = optional(map(string), {}) })
  default  = {}
  nullable = false
}
variable "name" {
  default = "app"
  validation {
    condition     = length(var.name) > 2
    error_message = "The name ${var.name} is too short."
  }
}
output "all" { value = { limits = var.limits, name = upper(var.name), text = "100%% of $${x} \"quoted\"" } }
`,
	"repeated": `
locals { services = { web = 80, api = 8080 } }
source "static" "s" {
  for_each = local.services
  value    = { port = each.value, name = each.key }
}
sink "file" "s" {
  for_each = local.services
  path     = "${each.key}.json"
  content  = jsonencode(source.static.s[each.key].value)
}
sink "file" "n" {
  count   = 2
  path    = "n${count.index}"
  content = join(",", [for k, v in local.services : "${k}=${v}" if v > 100])
}
`,
	"blocks": `
locals { names = ["a", "b"] }
rule "assert" "all" {
  assertion {
    condition     = value != null
    error_message = "nothing"
  }
  dynamic "assertion" {
    for_each = local.names
    iterator = key
    content {
      condition     = can(value[key.value])
      error_message = "${key.value} is missing"
    }
  }
}
detector "hash" "calm" {
  interval = "1m"
}
rate_limit "sliding_window" "gentle" {
  max = 10
  per = "1m"
}
source "file" "in" {
  path        = "in.json"
  detectors   = [detector.hash.calm]
  rules       = [rule.assert.all]
  rate_limits = [rate_limit.sliding_window.gentle]
  precondition {
    condition     = length(local.names) == 2
    error_message = "no"
  }
}
sink "file" "out" {
  path       = "out.txt"
  depends_on = [source.file.in]
  content    = <<EOT
a is ${source.file.in.value.a}
%{ for n in local.names ~}
${n}
%{ endfor ~}
EOT
  precondition {
    condition     = !source.file.in.stale
    error_message = "stale"
  }
}
sink "exec" "run" {
  command  = ["true", sink.file.out.sha256]
  triggers = [sink.file.out, source.file.in, local.names]
}
check "small" {
  assert {
    condition     = source.file.in.value.a < 3
    error_message = "a is ${source.file.in.value.a}"
  }
}
`,
}

// furtherModules are configurations of several files (name, text, name, text ...).
var furtherModules = map[string][]string{
	"modules": {"main.hcl", `
variable "most" { default = 3 }
source "file" "in" { path = "in.json" }
module "each" {
  source   = "./inner"
  for_each = source.file.in.value
  name     = each.key
  settings = { size = each.value, tags = ["t-${each.key}"] }
}
module "counted" {
  source     = "./inner"
  count      = 2
  name       = "n${count.index}"
  settings   = { size = count.index + 1 }
  depends_on = [module.each]
}
sink "file" "index" {
  path    = "index"
  content = jsonencode({ for k, m in module.each : k => m.text })
}
output "sizes" {
  value     = [for m in module.counted : m.size]
  sensitive = false
}
moved {
  from = module.once
  to   = module.each["a"]
}
moved {
  from = sink.file.list
  to   = sink.file.index
}
removed {
  from = sink.file.former
  lifecycle {
    destroy = true
  }
}
removed {
  from = module.former
  lifecycle {
    destroy = false
  }
}
`, "inner/main.hcl", `
variable "name" { type = string }
variable "settings" {
  type = object({ size = number, tags = optional(list(string), []) })
  validation {
    condition     = var.settings.size > 0
    error_message = "the size of ${var.name} is ${var.settings.size}"
  }
}
rule "assert" "tags" {
  assertion {
    condition     = value != "x"
    error_message = "x"
  }
  dynamic "assertion" {
    for_each = var.settings.tags
    content {
      condition     = assertion.value != value
      error_message = "${assertion.key} is ${assertion.value}"
    }
  }
}
module "deep" {
  source = "../deep"
  size   = var.settings.size
}
source "static" "own" {
  count = var.settings.size
  value = "${var.name}-${count.index}"
  rules = [rule.assert.tags]
}
sink "file" "out" {
  for_each = toset(var.settings.tags)
  path     = "${path.root}/out-${var.name}-${each.key}"
  content  = join(",", source.static.own[*].value)
}
check "size" {
  assert {
    condition     = module.deep.size < 2
    error_message = "${var.name} has ${module.deep.size}"
  }
}
output "text" {
  value = templatefile("${path.module}/text.tpl", { name = var.name })
  precondition {
    condition     = var.name != ""
    error_message = "no name"
  }
}
output "size" { value = module.deep.size }
`, "deep/main.hcl", `
variable "size" { type = number }
output "size" { value = var.size }
`, "inner/text.tpl", "text of ${name}", "in.json", `{"a":1,"b":2}`},
}

// movedBefore is what the configuration of modules was before something in it was renamed.
var movedBefore = []string{"main.hcl", `
module "once" {
  source   = "./inner"
  name     = "a"
  settings = { size = 1, tags = ["t-a"] }
}
module "former" {
  source   = "./inner"
  name     = "former"
  settings = { size = 1, tags = ["x"] }
}
sink "file" "list" {
  path    = "index"
  content = "x"
}
sink "file" "former" {
  path    = "former"
  content = "former"
}
`}

func writeFiles(t *testing.T, dir string, files []string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, files[i])), 0o755); err != nil {
			t.Fatal(err)
		}
		writeText(t, filepath.Join(dir, files[i]), files[i+1])
	}
}

// What is renamed and removed is so in both syntaxes.
func TestJSONSyntaxMovesAndRemoves(t *testing.T) {
	before, after := t.TempDir(), t.TempDir()
	writeFiles(t, before, furtherModules["modules"])
	writeFiles(t, before, movedBefore)
	writeFiles(t, after, furtherModules["modules"])
	var plans []map[string]any
	for _, convert := range []bool{false, true} {
		dir := copyOf(t, before, convert)
		mustSay := func(args ...string) {
			t.Helper()
			if code, text := runIn(t, dir, args); code != 0 {
				t.Fatalf("%v: exit code %d\n%s", args, code, text)
			}
		}
		mustSay("apply", "--auto-approve")
		if err := os.Remove(filepath.Join(dir, "main.hcl"+map[bool]string{true: ".json"}[convert])); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir+"-after", os.DirFS(copyOf(t, after, convert))); err != nil {
			t.Fatal(err)
		}
		name := "main.hcl" + map[bool]string{true: ".json"}[convert]
		text, err := os.ReadFile(filepath.Join(dir+"-after", name))
		if err != nil {
			t.Fatal(err)
		}
		writeText(t, filepath.Join(dir, name), string(text))
		plan := said(t, dir, []string{"plan", "--json"})
		if state, ok := plan["plan"].(map[string]any)["prior_state"].(map[string]any); ok {
			delete(state, "lineage") // of each state its own
			delete(state, "serial")
		}
		plans = append(plans, plan)
		mustSay("apply", "--auto-approve")
		if _, err := os.Stat(filepath.Join(dir, "former")); !os.IsNotExist(err) {
			t.Errorf("what was removed is still there: %v", err)
		}
		mustSay("plan", "--detailed-exitcode")
	}
	if d := cmp.Diff(plans[0], plans[1]); d != "" {
		t.Errorf("(-native +JSON):\n%s", d)
	}
	list, err := json.Marshal(plans[0])
	if err != nil || strings.Count(string(list), "previous_address") < 3 {
		t.Errorf("little was moved: %s", list)
	}
}

func runIn(t *testing.T, dir string, args []string) (code int, text string) {
	t.Helper()
	var out bytes.Buffer
	code = cli.Run(t.Context(), cli.Process{
		Args: append(slices.Clone(args), dir), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
		Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=/"},
	}, all.Kinds())
	return code, out.String()
}

// A configuration means the same in both syntaxes: the same is said of it, the same is planned.
func TestJSONSyntaxMeansTheSame(t *testing.T) {
	cases := map[string]string{}
	for name, text := range further {
		dir := t.TempDir()
		writeText(t, filepath.Join(dir, "main.hcl"), text)
		writeText(t, filepath.Join(dir, "in.json"), `{"a":1,"b":2}`)
		cases[name] = dir
	}
	for name, files := range furtherModules {
		cases[name] = t.TempDir()
		writeFiles(t, cases[name], files)
	}
	configurations := map[string]bool{}
	err := filepath.WalkDir("../../examples", func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".hcl") && !strings.HasSuffix(path, ".test.hcl") {
			configurations[filepath.Dir(path)] = true
		}
		return err
	})
	if err != nil || len(configurations) < 5 {
		t.Fatal(err, configurations)
	}
	for _, needed := range []string{"services", "services/service"} {
		if !configurations["../../examples/"+needed] {
			t.Errorf("the configurations are without %s: %v", needed, configurations)
		}
	}
	for dir := range configurations {
		cases["examples"+strings.TrimPrefix(dir, "../../examples")] = dir
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			native, converted := copyOf(t, cases[name], false), copyOf(t, cases[name], true)
			wantConverted(t, converted)
			plan := []string{"plan", "--json"}
			if further[name] == "" && furtherModules[name] == nil && name != "examples/services" {
				plan = append(plan, "--refresh=false") // the examples ask servers
			}
			for _, command := range [][]string{{"validate"}, plan} {
				before, after := said(t, native, command), said(t, converted, command)
				if d := cmp.Diff(before, after); d != "" {
					t.Errorf("%s (-native +JSON):\n%s", command[0], d)
				}
			}
		})
	}
}

// copyOf copies a directory, with its configuration converted or not.
func copyOf(t *testing.T, from string, convert bool) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "module")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if !convert {
		return to
	}
	err := filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".hcl") || strings.HasSuffix(path, ".test.hcl") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		writeText(t, path+".json", string(toJSON(t, path, text)))
		return os.Remove(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// wantConverted checks that nothing of a copy is in the native syntax any more, modules included.
func wantConverted(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".hcl") && !strings.HasSuffix(path, ".test.hcl") {
			t.Errorf("%s is not converted", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// said is what a command says without what is of the copy alone: its directory, places in its
// files, the time.
func said(t *testing.T, dir string, command []string) map[string]any {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), cli.Process{
		Args: append(slices.Clone(command), dir), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=/"},
	}, all.Kinds())
	out := map[string]any{"code": code}
	if command[0] != "plan" {
		out["text"] = strings.ReplaceAll(stdout.String(), dir, "DIR")
		return out
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(stdout.String(), dir, "DIR")), &doc); err != nil {
		t.Fatal(err, stdout.String())
	}
	delete(doc, "timestamp")
	if list, ok := doc["diagnostics"].([]any); ok {
		for _, d := range list {
			d := d.(map[string]any)
			delete(d, "range")
			delete(d, "snippet")
		}
		slices.SortFunc(list, func(a, b any) int {
			return strings.Compare(a.(map[string]any)["detail"].(string), b.(map[string]any)["detail"].(string))
		})
	}
	out["plan"] = doc
	return out
}
