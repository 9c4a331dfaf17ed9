package scenario_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/scenario"
	"tidegate/providers"
	"tidegate/providers/all"
	"tidegate/testdata/bench/pairs"
)

const benchConfig = `
variable "limit" {
  type    = number
  default = 300
}
rule "assert" "sane" {
  assertion {
    condition     = value.timeout <= var.limit
    error_message = "timeout out of range: ${value.timeout}."
  }
}
source "http" "app" {
  url   = "https://config.example.com/app.json"
  rules = [rule.assert.sane]
}
source "file" "site" { path = "site.yaml" }
locals { app = merge(source.file.site.value, source.http.app.value) }
sink "file" "app" {
  path    = "/etc/app/config.json"
  content = jsonencode(local.app)
}
sink "exec" "reload" {
  command  = ["systemctl", "reload", "app"]
  triggers = [sink.file.app]
}
`

// BenchmarkRuns goes through 100 runs, every other one of which applies: those with the
// variables of the file share one loaded configuration, those with their own load it anew.
func BenchmarkRuns(b *testing.B) {
	const runs = 100
	for name, own := range map[string]string{"shared": "", "own variables": "  variables { limit = 1%d }\n"} {
		b.Run(name, func(b *testing.B) {
			var tests strings.Builder
			for i := range runs {
				variables := own
				if own != "" {
					variables = fmt.Sprintf(own, 1000+i)
				}
				fmt.Fprintf(&tests, `
run "number %d" {
  command   = %s
  state_key = "%d"
%s  mock "source.http.app" { value = { timeout = %d } }
  assert {
    condition     = jsondecode(plan.sinks["sink.file.app"].content).timeout == %d
    error_message = "got ${plan.sinks["sink.file.app"].content}"
  }
}
`, i, []string{"plan", "apply"}[i%2], i, variables, i, i)
			}
			dir := b.TempDir()
			for name, text := range map[string]string{"main.hcl": benchConfig, "site.yaml": "log_level: info\n", "app.test.hcl": tests.String()} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					b.Fatal(err)
				}
			}
			registry, err := providers.NewRegistry(all.Kinds())
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for b.Loop() {
				s, diags := scenario.Load(b.Context(), scenario.Options{Engine: engine.Options{Dir: dir, Registry: registry}})
				if diags.HasErrors() {
					b.Fatal(diags)
				}
				if n := s.Run(b.Context()).Count(scenario.Pass); n != runs {
					b.Fatalf("%d of %d runs pass", n, runs)
				}
			}
			b.ReportMetric(float64(runs*b.N)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}

// BenchmarkRunOfMany goes through one run of 1,000 pairs that applies, and one that finds
// nothing to do.
func BenchmarkRunOfMany(b *testing.B) {
	dir := b.TempDir()
	if err := pairs.Generate(dir, 1000); err != nil {
		b.Fatal(err)
	}
	tests := "run \"apply\" { command = apply }\nrun \"again\" {\n  assert {\n    condition     = !plan.has_changes\n    error_message = \"got ${jsonencode(plan.summary)}\"\n  }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "a.test.hcl"), []byte(tests), 0o644); err != nil {
		b.Fatal(err)
	}
	s, diags := load(b, dir, scenario.Options{})
	if diags.HasErrors() {
		b.Fatal(said(diags))
	}
	for b.Loop() {
		if r := s.Run(b.Context()); r.Count(scenario.Pass) != 2 {
			b.Fatal(said(r.Files[0].Runs[1].Diagnostics))
		}
	}
}
