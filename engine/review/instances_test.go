package review_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"tidegate/engine/plan"
	"tidegate/engine/review"
)

const dataDriven = `
source "file" "services" {
  path = "services.json"
}
sink "file" "app" {
  for_each   = source.file.services.value
  path       = "out/${each.key}.conf"
  content    = "port ${each.value}"
  on_destroy = "delete"
}
module "service" {
  source   = "./service"
  for_each = source.file.services.value
  name     = each.key
  port     = each.value + 1000
}
sink "file" "part" {
  count   = length(source.file.services.value)
  path    = "out/part-${count.index}"
  content = "part"
}
sink "file" "index" {
  path    = "out/index"
  content = jsonencode({ for k, m in module.service : k => m.port })
}
`

const serviceWithPort = `
variable "name" {}
variable "port" { type = number }
sink "file" "conf" {
  path    = "${path.root}/out/${var.name}-service.conf"
  content = "listen ${var.port}"
}
output "port" { value = var.port }
`

// Which instances there are is looked at in the base and in the change, each with its own data.
func TestInstancesThatFollowDataAreCompared(t *testing.T) {
	r := newRepository(t)
	r.commit("main.hcl", dataDriven, "service/main.hcl", serviceWithPort, "services.json", `{"a":1,"b":2}`)
	equal(t, "without a change", actions(r.mustCompare("main")))

	// Of the data alone.
	r.write("services.json", `{"a":1,"c":3,"d":4}`)
	p := r.mustCompare("main")
	equal(t, "of other keys", actions(p),
		`module.service["b"].sink.file.conf forget`, `module.service["c"].sink.file.conf create`, `module.service["d"].sink.file.conf create`,
		`sink.file.app["b"] delete`, `sink.file.app["c"] create`, `sink.file.app["d"] create`, `sink.file.index update`, `sink.file.part[2] create`)
	equal(t, "blocks", changed(p))
	r.write("services.json", `{"a":5,"b":2}`)
	equal(t, "of a value", actions(r.mustCompare("main")),
		`module.service["a"].sink.file.conf update`, `sink.file.app["a"] update`, "sink.file.index update")

	// Of an argument of the module, which each of its instances gets.
	r.write("services.json", `{"a":1,"b":2}`, "main.hcl", strings.Replace(dataDriven, "+ 1000", "+ 2000", 1))
	p = r.mustCompare("main")
	equal(t, "of an argument", actions(p), `module.service["a"].sink.file.conf update`, `module.service["b"].sink.file.conf update`, "sink.file.index update")
	if got := added(t, p, `module.service["a"].sink.file.conf`); !strings.Contains(got, "listen 1001") || !strings.Contains(got, "listen 2001") {
		t.Errorf("the change of the instance: %s", got)
	}

	// Of what says which instances there are.
	r.write("main.hcl", strings.Replace(dataDriven, "= source.file.services.value\n  path ", "= { for k, v in source.file.services.value : k => v if v > 1 }\n  path ", 1))
	p = r.mustCompare("main")
	equal(t, "of the condition", actions(p), `sink.file.app["a"] delete`)
	equal(t, "blocks", changed(p), `update sink.file.app["b"]`)

	// Of the module, with both at once.
	r.write("main.hcl", dataDriven, "services.json", `{"a":1,"c":3}`, "service/main.hcl", strings.Replace(serviceWithPort, "listen ", "port ", 1))
	equal(t, "of the module and the keys", actions(r.mustCompare("main")),
		`module.service["a"].sink.file.conf update`, `module.service["b"].sink.file.conf forget`, `module.service["c"].sink.file.conf create`,
		`sink.file.app["b"] delete`, `sink.file.app["c"] create`, "sink.file.index update")
}

// changed lists the blocks that the change is told of.
func changed(p *plan.Plan) []string {
	var out []string
	for _, c := range p.Base.Changes {
		out = append(out, string(c.Action)+" "+c.Address.String())
	}
	return out
}

// A plan of what was recorded has the instances of what was recorded, whatever their keys are.
func TestRecordingOfInstances(t *testing.T) {
	keys := []string{"a.b", "c/d", "[e]", `"f"`, "ünï", "two\nlines", strings.Repeat("long", 200), "*"}
	services := map[string]int{}
	for i, key := range keys {
		services[key] = i
	}
	data, err := json.Marshal(services)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/services.json" {
			_, _ = w.Write(data)
			return
		}
		fmt.Fprintf(w, `{"of":%q}`, r.URL.Query().Get("key"))
	}))
	config := fmt.Sprintf(`
source "http" "services" {
  url = "%[1]s/services.json"
}
source "http" "one" {
  for_each = source.http.services.value
  url      = "%[1]s/one.json?key=${urlencode(each.key)}"
}
sink "file" "app" {
  for_each = source.http.services.value
  path     = "out-${each.value}"
  content  = source.http.one[each.key].value.of
}
`, s.URL)
	r := newRepository(t)
	r.commit("main.hcl", config)
	records := filepath.Join(t.TempDir(), "records [of] *")
	live, _, said := r.planWith(review.Look{Record: records})
	if said != "" {
		t.Fatal(said)
	}
	if n := asked.Load(); n != int64(len(keys)+1) {
		t.Errorf("%d requests", n)
	}
	s.Close()
	elsewhere := newRepository(t)
	elsewhere.commit("main.hcl", config)
	played, _, said := elsewhere.planWith(review.Look{Play: records})
	if said != "" {
		t.Fatal(said)
	}
	if a, b := fmt.Sprint(actions(live)), fmt.Sprint(actions(played)); len(actions(live)) != len(keys) || a != b {
		t.Errorf("live\n%s\nfrom the recording\n%s", a, b)
	}
	for _, c := range played.Sinks {
		key, _ := c.Address.Key.Str()
		if got := added(t, played, c.Address.String()); !strings.Contains(got, strings.Split(key, "\n")[0]) {
			t.Errorf("%s would hold %q", c.Address, got)
		}
	}

	// Renamed since, it is found by what it asks.
	renamed := strings.NewReplacer(`"one"`, `"each"`, "http.one", "http.each").Replace(config)
	elsewhere.write("main.hcl", renamed)
	if _, _, said := elsewhere.planWith(review.Look{Play: records}); said != "" {
		t.Error(said)
	}
	equal(t, "of a rename", actions(elsewhere.mustCompare("HEAD", review.Look{Play: records})))
}
