package cli_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tidegate/hclspec/address"
)

// oddKeys are keys of instances that are something to a shell, a glob, a terminal, HTML or a log.
var oddKeys = []string{
	"web.example.com", "x--y", `a "quoted" one`, "[a]", "a]b[c", "ünï-çø∂é 🌊", "two\nlines", "tab\tand\rreturn", "", "*", "?", `back\slash`,
	"${var.x}", "%{ if x }", "a/b/../c", "<script>alert(1)</script>", "a=b c=d", "\u202egnp.exe", "\U000e0041tag", "\x1b[31mred", "-rf", "'; rm -rf ~; '",
	strings.Repeat("long", 1000), "&amp;", "\u00a0", "#", "{{.}}", "{a=\"b\"}",
}

func fileOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "out-" + hex.EncodeToString(sum[:8])
}

func oddServices(t *testing.T, value string, keys []string) string {
	t.Helper()
	all := map[string]string{}
	for _, key := range keys {
		all[key] = value
	}
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Whatever the keys of instances are, every command finds them by the address that is shown, and
// nothing that shows one is led astray by it.
func TestOddKeys(t *testing.T) {
	dir := t.TempDir()
	config := func(set string) string {
		return `
source "file" "services" { path = "services.json" }
locals { all = ` + set + ` }
sink "file" "app" {
  for_each   = local.all
  path       = "out-${substr(sha256(each.key), 0, 16)}"
  content    = each.value
  on_destroy = "delete"
}
`
	}
	writeText(t, filepath.Join(dir, "main.hcl"), config("source.file.services.value"))
	replace := func(text string) {
		t.Helper()
		writeText(t, filepath.Join(dir, "new"), text)
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "services.json")); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(key string) string {
		data, _ := os.ReadFile(filepath.Join(dir, fileOf(key)))
		return string(data)
	}
	allHold := func(want string) func() bool {
		return func() bool {
			return !slices.ContainsFunc(oddKeys, func(key string) bool { return holds(key) != want })
		}
	}
	addressOf := func(key string) string {
		a := address.Of(address.Sink, "file", "app")
		a.Key = address.StringKey(key)
		return a.String()
	}
	must := func(args ...string) string {
		t.Helper()
		out, code := tool(t, dir, args...)
		if code != 0 {
			t.Fatalf("%q: exit code %d\n%s", args, code, out)
		}
		return out
	}

	replace(oddServices(t, "1", oddKeys))
	p := start(t, dir, nil, "apply", "--watch", "--listen", "127.0.0.1:0")
	p.eventually(t, "all are written", allHold("1"))
	replace(oddServices(t, "2", oddKeys))
	p.eventually(t, "all are written again", allHold("2"))

	// Each is paused by itself: the others go on. The star and the question mark are globs as well.
	var paused []string
	for i, key := range oddKeys {
		if i%2 == 0 && !strings.ContainsAny(key, "*?") {
			must("pause", addressOf(key))
			paused = append(paused, key)
		}
	}
	replace(oddServices(t, "3", oddKeys))
	p.eventually(t, "those that are not paused are written", func() bool {
		return !slices.ContainsFunc(oddKeys, func(key string) bool { return !slices.Contains(paused, key) && holds(key) != "3" })
	})
	for _, key := range paused {
		if got := holds(key); got != "2" {
			t.Errorf("%s was paused, and its target holds %q", addressOf(key), got)
		}
		must("resume", addressOf(key))
	}
	p.eventually(t, "all are resumed", allHold("3"))

	for _, key := range oddKeys {
		if out := must("history", addressOf(key), "--json"); strings.Count(out, `"revision"`) < 3 {
			t.Errorf("history of %s: %s", addressOf(key), out)
		}
	}
	wantReadable(t, p, oddKeys, addressOf)

	// Edits that take them away wait for approval, each of its own.
	writeText(t, filepath.Join(dir, "main.hcl"), config("{}"))
	must("reload")
	for _, key := range oddKeys[:len(oddKeys)/2] {
		must("approve", addressOf(key))
		p.eventually(t, "the target is deleted", func() bool { return !there(filepath.Join(dir, fileOf(key))) })
	}
	writeText(t, filepath.Join(dir, "main.hcl"), config("source.file.services.value"))
	must("reload")
	p.eventually(t, "all are there again", allHold("3"))
	p.stops(t)
	for line := range strings.Lines(p.out.String()) {
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+Z \[[A-Z]+\] `).MatchString(line) {
			t.Errorf("not a line of a log: %q", line)
		}
	}

	list := strings.Split(strings.TrimSpace(must("state", "list")), "\n")
	for _, key := range oddKeys {
		if !slices.Contains(list, addressOf(key)) {
			t.Errorf("%s is not in the list", addressOf(key))
		}
		must("state", "show", addressOf(key))
		if out := must("plan", "--target", addressOf(key), "--json"); !strings.Contains(out, `"resource_changes"`) {
			t.Errorf("a plan of %s: %s", addressOf(key), out)
		}
	}
	// Back to the content before, by its address alone.
	for _, key := range oddKeys[len(oddKeys)/2:] { // the others began anew
		must("rollback", addressOf(key), "--auto-approve")
		if got := holds(key); got != "2" {
			t.Errorf("%s was rolled back, and its target holds %q", addressOf(key), got)
		}
	}
	for i, key := range oddKeys {
		if out := must("state", "rm", addressOf(key)); !strings.Contains(out, "1 removed from the state") {
			t.Errorf("removed: %s", out)
		}
		if got := strings.Count(must("state", "list"), "sink.file.app["); got != len(oddKeys)-i-1 {
			t.Errorf("after %s %d are left", addressOf(key), got)
		}
	}
}

// wantReadable looks at what programs and browsers read of a daemon.
func wantReadable(t *testing.T, p *process, keys []string, addressOf func(string) string) {
	t.Helper()
	at := regexp.MustCompile(`listener is open: address=(\S+)`).FindStringSubmatch(p.out.String())
	if at == nil {
		t.Fatal(p.out.String())
	}
	get := func(path string) string {
		t.Helper()
		r, err := http.Get("http://" + at[1] + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		data, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %d, %v", path, r.StatusCode, err)
		}
		return string(data)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(get("/metrics")))
	if err != nil {
		t.Fatalf("the metrics cannot be read: %v", err)
	}
	labels := map[string]bool{}
	for _, m := range families["tidegate_sink_deliveries_total"].GetMetric() {
		for _, l := range m.Label {
			labels[l.GetValue()] = true
		}
	}
	page := get("/")
	var status struct {
		Sinks []struct{ Address string } `json:"sinks"`
	}
	if err := json.Unmarshal([]byte(get("/api/v1/status")), &status); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !labels[addressOf(key)] {
			t.Errorf("no metric is about %s: %v", addressOf(key), fmt.Sprint(labels)[:200])
		}
		if !slices.ContainsFunc(status.Sinks, func(s struct{ Address string }) bool { return s.Address == addressOf(key) }) {
			t.Errorf("the status is without %s", addressOf(key))
		}
	}
	if strings.Contains(page, "<script") || strings.ContainsAny(page, "\x1b\u202e") || !strings.Contains(page, "web.example.com") {
		t.Error("the page shows a key as it is, or not at all")
	}
}
