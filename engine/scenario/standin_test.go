package scenario

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/hclspec"
	"tidegate/providers"
	"tidegate/providers/all"
)

// reached notes each call of a real instance that would touch something.
type reached struct {
	t    *testing.T
	kind string
	may  bool // it answers from what the module has
}

func (r reached) touch(what string) {
	if !r.may {
		r.t.Errorf("%s of a real %s is called", what, r.kind)
	}
}

type (
	wiredSource struct {
		providers.Source
		reached
	}
	wiredPathSource struct {
		wiredSource
		providers.PathReader
	}
	wiredReceiver struct {
		wiredSource
		providers.Receiver
	}
	wiredSink struct {
		providers.Sink
		reached
	}
)

func (w wiredSource) Fetch(ctx context.Context, last string) (providers.Snapshot, error) {
	w.touch("Fetch")
	return w.Source.Fetch(ctx, last)
}

func (w wiredSink) Read(context.Context) (providers.Observed, error) {
	w.touch("Read")
	return providers.Observed{Opaque: true}, nil
}

func (w wiredSink) Write(context.Context, providers.Delivery) error {
	w.touch("Write")
	return nil
}

func (w wiredSink) Delete(context.Context) error {
	w.touch("Delete")
	return nil
}

// No kind touches anything in a test, whichever it is: the example of each is run, mocked and
// not mocked, over real instances that tell when they are used.
func TestNoKindTouchesAnything(t *testing.T) {
	var kinds []*providers.Kind
	for _, k := range all.Kinds() {
		r := reached{t: t, kind: k.Type + " " + k.Name, may: answers[k.Name] || k.Type == "source" && k.Name == "file"}
		switch k.Type {
		case "source":
			k = k.StandIn(func(real any, _ cty.Value, _ providers.Env) any {
				w := wiredSource{real.(providers.Source), r}
				switch real := real.(type) {
				case providers.PathReader:
					return wiredPathSource{w, real}
				case providers.Receiver:
					return wiredReceiver{w, real}
				}
				return w
			})
		case "sink":
			k = k.StandIn(func(real any, _ cty.Value, _ providers.Env) any { return wiredSink{real.(providers.Sink), r} })
		case "rule":
			if !computes[k.Name] {
				k = k.StandIn(func(any, cty.Value, providers.Env) any { return wiredRule{r} })
			}
		}
		kinds = append(kinds, k)
	}
	registry, err := providers.NewRegistry(kinds)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all.Kinds() {
		t.Run(k.Type+" "+k.Name, func(t *testing.T) {
			dir := t.TempDir()
			config := k.Example
			for typ, body := range map[string]string{"source \"http\" \"app\"": "{ url = \"http://127.0.0.1:1/\" }", "sink \"file\" \"app\"": "{\n  path = \"a\"\n  content = 1\n}"} {
				if !strings.Contains(config, typ) {
					config += "\n" + typ + " " + body + "\n" // examples refer to these
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(config), 0o644); err != nil {
				t.Fatal(err)
			}
			spec, diags := hclspec.Load(dir)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			var mocks strings.Builder
			for _, b := range spec.Blocks {
				if b.Address.Type == "source" {
					fmt.Fprintf(&mocks, "  mock %q { value = { a = 1 } }\n", b.Address)
				}
			}
			// Twice, since a second plan also reads what was delivered.
			tests := "run \"unmocked\" { command = apply }\nrun \"mocked\" {\n  command = apply\n" + mocks.String() + "}\nrun \"again\" {\n  command = apply\n" + mocks.String() + "}\n"
			if err := os.WriteFile(filepath.Join(dir, "a.test.hcl"), []byte(tests), 0o644); err != nil {
				t.Fatal(err)
			}
			s, diags := Load(t.Context(), Options{Engine: engine.Options{Dir: dir, Registry: registry}})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if r := s.Run(t.Context()); len(r.Files) != 1 || len(r.Files[0].Runs) != 3 {
				t.Errorf("%d files", len(r.Files))
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 2 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

type wiredRule struct{ reached }

func (w wiredRule) Judge(context.Context, providers.Candidate) ([]providers.Finding, error) {
	w.touch("Judge")
	return nil, nil
}

// What an engine may do with an instance beside its main interface stays with the real one.
func TestStandInsOfferNothingThatReachesOut(t *testing.T) {
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	stage := newStage(t.TempDir())
	standIns, err := stage.registry(registry)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, k := range standIns.Kinds() {
		c, diags := k.Configure(sampleOf(k.Name), nil)
		if diags.HasErrors() || k.Type != "source" && k.Type != "sink" {
			continue
		}
		env := providers.Env{Address: k.Type + "." + k.Name + ".a", ModuleDir: stage.dir}
		var instance any
		if k.Type == "source" {
			instance, diags = c.Source(env)
		} else {
			instance, diags = c.Sink(env)
		}
		if diags.HasErrors() {
			t.Errorf("%s %s: %s", k.Type, k.Name, diags)
			continue
		}
		seen++
		for what, is := range map[string]bool{
			"Watcher": isA[providers.Watcher](instance), "Readiness": isA[providers.Readiness](instance),
			"Sweeper": isA[providers.Sweeper](instance), "Retrier": isA[providers.Retrier](instance),
		} {
			if is {
				t.Errorf("the stand-in of %s %s is a %s", k.Type, k.Name, what)
			}
		}
	}
	if seen < 8 {
		t.Errorf("%d kinds were looked at", seen)
	}
}

func isA[T any](v any) bool { _, is := v.(T); return is }

func sampleOf(kind string) cty.Value {
	text := cty.StringVal
	return map[string]cty.Value{
		"file":   cty.ObjectVal(map[string]cty.Value{"path": text("a"), "content": text("a")}),
		"http":   cty.ObjectVal(map[string]cty.Value{"url": text("http://127.0.0.1:1/")}),
		"exec":   cty.ObjectVal(map[string]cty.Value{"command": cty.TupleVal([]cty.Value{text("true")})}),
		"env":    cty.ObjectVal(map[string]cty.Value{"prefix": text("A_")}),
		"static": cty.ObjectVal(map[string]cty.Value{"value": text("a")}),
	}[kind]
}

// Whatever stands in a file of tests, reading it ends, and without a panic.
func FuzzRead(f *testing.F) {
	dir := f.TempDir()
	config := "variable \"v\" {}\nsource \"http\" \"a\" { url = \"http://h/\" }\nsink \"file\" \"a\" {\n  path = \"a\"\n  content = 1\n}\noutput \"o\" { value = 1 }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(config), 0o644); err != nil {
		f.Fatal(err)
	}
	spec, diags := hclspec.Load(dir)
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	for _, seed := range []string{
		"variables { v = 1 }\nenvironment = { A = \"b\" }\nstart = \"2026-01-01T00:00:00Z\"\n",
		"mock \"source.http.a\" {\n  value = { a = 1 }\n  step {\n    at = \"1s\"\n    error = \"x\"\n    version = \"v\"\n  }\n}\n",
		"file \"a\" {\n  content = \"\"\n  mode = \"0600\"\n}\nrun \"a\" {\n  command = apply\n  rounds = [\"1s\"]\n  after = \"1h\"\n  state_key = \"k\"\n}\n",
		"run \"a\" {\n  expect_failures = [source.http.a, var.v, output.o]\n  assert {\n    condition = plan.sinks[\"sink.file.a\"].action == apply.failed\n    error_message = \"${files[\"a\"]}\"\n  }\n}\n",
	} {
		f.Add(seed, false)
	}
	f.Add(`{"run": {"a": {"assert": {"condition": "${plan.failed}", "error_message": "x"}, "expect_failures": ["var.v"]}}}`, true)
	f.Fuzz(func(t *testing.T, text string, asJSON bool) {
		path := filepath.Join(dir, "a.test.hcl")
		if asJSON {
			path += ".json"
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		file, diags := read(path, "a", spec)
		if file == nil {
			t.Fatal("no file")
		}
		for _, d := range diags {
			if d.Summary == "" || d.Subject == nil {
				t.Errorf("a diagnostic without a place: %s", d)
			}
		}
		if !diags.HasErrors() && slices.ContainsFunc(file.Runs, func(r *Run) bool { return r.Name == "" }) {
			t.Error("a run without a name")
		}
	})
}
