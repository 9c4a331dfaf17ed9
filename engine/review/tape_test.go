package review_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/review"
)

// planWith plans the configuration as the command does, with a look of its own.
func (r *repository) planWith(look review.Look) (*plan.Plan, []string, string) {
	r.t.Helper()
	opts := r.options()
	session := look.Begin()
	var err error
	if opts.Registry, err = session.Registry(opts.Registry, opts.Dir); err != nil {
		r.t.Fatal(err)
	}
	e, diags := engine.Load(context.Background(), opts)
	defer e.Close()
	p, more := e.Plan(context.Background(), engine.PlanOptions{})
	skipped, err := session.Save()
	if err != nil {
		r.t.Fatal(err)
	}
	return p, skipped, texts(append(diags, more...))
}

// What was recorded is planned from again, elsewhere and without anybody to ask; secrets are
// not recorded.
func TestRecording(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v7"`)
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, `{"n":7}`)
	}))
	r := newRepository(t)
	config := fmt.Sprintf(`
source "http" "v" {
  url = "%s/v.json"
}
source "file" "f" {
  path = "f.yaml"
}
source "file" "d" {
  path = "dir"
}
source "exec" "p" {
  command = ["printf", "\\377\\001"]
  decode  = "bytes"
}
source "file" "s" {
  path      = "s.json"
  sensitive = true
}
sink "file" "a" {
  path    = "a"
  content = jsonencode([source.http.v.value, source.file.f.value, source.file.d.value, source.exec.p.value])
}
sink "file" "s" {
  path    = "s"
  content = source.file.s.value.canary
}
`, s.URL)
	r.commit("main.hcl", config, "f.yaml", "a: 1\n", "dir/x.json", `{"x":1}`, "dir/y.json", `{"y":2}`, "s.json", `{"canary":"canary"}`)
	records := filepath.Join(t.TempDir(), "records")
	live, skipped, said := r.planWith(review.Look{Record: records})
	if said != "" {
		t.Fatal(said)
	}
	equal(t, "left out", skipped, "source.file.s")
	files, err := os.ReadDir(records)
	if err != nil || len(files) != 4 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(records, f.Name()))
		if err != nil || strings.Contains(string(data), "canary") {
			t.Errorf("%s: %v\n%s", f.Name(), err, data)
		}
		if info, _ := f.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", f.Name(), info.Mode())
		}
	}

	s.Close()
	elsewhere := newRepository(t)
	elsewhere.commit("main.hcl", config)
	played, _, said := elsewhere.planWith(review.Look{Play: records})
	if !strings.Contains(said, "source.file.s") || !strings.Contains(said, "not among what was recorded") || strings.Count(said, "Source failed") != 1 {
		t.Error(said)
	}
	if a, b := added(t, live, "sink.file.a"), added(t, played, "sink.file.a"); a == "" || a != b {
		t.Errorf("live\n%s\nfrom the recording\n%s", a, b)
	}
	for i, c := range live.Sources {
		// What is private is told by a key that is made anew where there is no state.
		if c.Address.Name != "s" && c.Address.Name != "p" && c.Version != played.Sources[i].Version {
			t.Errorf("%s has version %s, recorded %s", c.Address, c.Version, played.Sources[i].Version)
		}
	}

	// A base is planned from it, too.
	elsewhere.write("main.hcl", strings.Replace(config, `"a"
  content = jsonencode(`, `"a"
  content = yamlencode(`, 1))
	got := elsewhere.compare("HEAD", review.Look{Play: records})
	equal(t, "actions", actions(got.Plan), "sink.file.a update")

	// Damage is noticed.
	for _, f := range files {
		path := filepath.Join(records, f.Name())
		if err := os.WriteFile(path, []byte(`{"key":"other"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, said := elsewhere.planWith(review.Look{Play: records}); strings.Count(said, "is damaged; record it again") != 4 {
		t.Error(said)
	}
}
