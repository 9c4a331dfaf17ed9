package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
)

var program string

// TestMain builds the program whose plans are read.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "readers")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "tidegate")
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build tidegate: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// world is a directory with a configuration.
type world struct {
	t   *testing.T
	dir string
}

func newWorld(t *testing.T, files map[string]string) *world {
	w := &world{t, t.TempDir()}
	for name, content := range files {
		w.write(name, content)
	}
	return w
}

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// run returns what a command printed and its exit code.
func (w *world) run(args ...string) ([]byte, int) {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, append([]string{"--chdir", w.dir}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 && stderr.Len() > 0 {
		w.t.Logf("tidegate %v: %s", args, stderr.String())
	}
	return stdout.Bytes(), cmd.ProcessState.ExitCode()
}

func (w *world) apply() {
	w.t.Helper()
	if out, code := w.run("apply", "--auto-approve"); code != 0 {
		w.t.Fatalf("apply exits with %d\n%s", code, out)
	}
}

// plan returns a plan as Terraform's reader has it, and as any program has it.
func (w *world) plan(wantCode int) (*tfjson.Plan, any) {
	w.t.Helper()
	data, code := w.run("plan", "--json", "--detailed-exitcode")
	if code != wantCode {
		w.t.Errorf("plan exits with %d, want %d", code, wantCode)
	}
	var p tfjson.Plan
	if err := p.UnmarshalJSON(data); err != nil { // it validates, too
		w.t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		w.t.Fatal(err)
	}
	var input any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&input); err != nil {
		w.t.Fatal(err)
	}
	return &p, input
}

const configuration = `
variable "token" {
  type      = string
  sensitive = true
  default   = "hunter2"
}
rule "assert" "sane" {
  assertion {
    condition     = value.port > 0
    error_message = "port is ${value.port}."
  }
}
source "file" "app" {
  path  = "app.json"
  rules = [rule.assert.sane]
}
sink "file" "app" {
  path       = "out/app.json"
  create_dirs = true
  content    = jsonencode(source.file.app.value)
  mode       = "0640"
  on_destroy = "delete"
}
sink "file" "token" {
  path    = "token"
  content = var.token
}
sink "exec" "reload" {
  command  = ["true"]
  triggers = [sink.file.app]
}
output "port" { value = source.file.app.value.port }
`

func appWorld(t *testing.T) *world {
	return newWorld(t, map[string]string{"main.hcl": configuration, "app.json": `{"port":80,"host":"a"}`})
}

func changes(p *tfjson.Plan) map[string]*tfjson.ResourceChange {
	out := map[string]*tfjson.ResourceChange{}
	for _, c := range p.ResourceChanges {
		out[c.Address] = c
	}
	return out
}

func resources(v *tfjson.StateValues) map[string]*tfjson.StateResource {
	out := map[string]*tfjson.StateResource{}
	if v != nil && v.RootModule != nil {
		for _, r := range v.RootModule.Resources {
			out[r.Address] = r
		}
	}
	return out
}

func TestTerraformReadsPlans(t *testing.T) {
	w := appWorld(t)
	p, _ := w.plan(2)
	c := changes(p)
	if app := c["sink.file.app"]; app == nil || !app.Change.Actions.Create() || app.Mode != tfjson.ManagedResourceMode || app.Change.Before != nil {
		t.Errorf("first: %+v", app)
	}
	if token := c["sink.file.token"]; token == nil || fmt.Sprint(token.Change.AfterSensitive) != "map[content:true]" {
		t.Errorf("sensitive: %+v", token)
	}
	if v := p.Variables["token"]; v == nil || v.Value != nil {
		t.Errorf("variable: %+v", v)
	}
	w.apply()

	w.write("app.json", `{"port":8080,"host":"a"}`)
	p, _ = w.plan(2)
	c = changes(p)
	if app := c["sink.file.app"]; !app.Change.Actions.Update() || app.Change.Before.(map[string]any)["content"] != `{"host":"a","port":80}` {
		t.Errorf("second: %+v", app.Change)
	}
	if src := c["source.file.app"]; !src.Change.Actions.Read() || src.Mode != tfjson.DataResourceMode || fmt.Sprint(src.Change.Before) != "map[host:a port:80]" {
		t.Errorf("source: %+v", src)
	}
	if r := resources(p.PriorState.Values)["sink.file.app"]; r == nil || r.AttributeValues["content"] != `{"host":"a","port":80}` {
		t.Errorf("prior state: %+v", r)
	}
	if r := resources(p.PlannedValues)["sink.file.app"]; r == nil || r.AttributeValues["content"] != `{"host":"a","port":8080}` {
		t.Errorf("planned values: %+v", r)
	}
	if o := p.OutputChanges["port"]; o == nil || !o.Actions.Update() || fmt.Sprint(o.Before, o.After) != "80 8080" {
		t.Errorf("output: %+v", o)
	}
	if o := p.PriorState.Values.Outputs["port"]; o == nil || fmt.Sprint(o.Value) != "80" {
		t.Errorf("prior output: %+v", o)
	}
	if len(p.Checks) != 1 || p.Checks[0].Status != tfjson.CheckStatusPass {
		t.Errorf("checks: %+v", p.Checks)
	}

	w.write("app.json", `{"port":0,"host":"a"}`)
	p, input := w.plan(1)
	if input.(map[string]any)["errored"] != true || len(p.Checks) != 1 || p.Checks[0].Status != tfjson.CheckStatusFail {
		t.Errorf("rejected: checks %+v", p.Checks)
	}
	if problems := p.Checks[0].Instances[0].Problems; len(problems) != 1 || problems[0].Message != "port is 0." {
		t.Errorf("problems: %+v", problems)
	}
}
