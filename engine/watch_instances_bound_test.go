package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// rounds is how often keys appear and vanish where nothing may be left behind.
const rounds = 200

const comingAndGoing = `
source "sim" "all" {
  name     = "all"
  interval = "10s"
}
module "part" {
  source   = "./part"
  for_each = source.sim.all.value.keys
  name     = each.key
}
source "sim" "counted" {
  count    = source.sim.all.value.n
  name     = "counted-${count.index}"
  host     = "host-${source.sim.all.value.round}-${count.index}"
  interval = "${60 + count.index}s"
}
sink "sim" "counted" {
  count = source.sim.all.value.n
  name  = "counted-${count.index}"
  value = jsonencode([source.sim.counted[count.index].value, source.sim.all.value.round])
}
`

const partOfThat = `
variable "name" {}
detector "hash" "calm" {
  interval = "30s"
}
detector "webhook" "told" {}
rate_limit "sliding_window" "few" {
  max   = 100
  per   = "1m"
  scope = "shared"
}
source "webhook" "sent" {
  config_name = "sent-${var.name}"
}
source "sim" "in" {
  name        = "in-${var.name}"
  host        = "host-${var.name}"
  detectors   = [detector.hash.calm, detector.webhook.told]
  rate_limits = [rate_limit.sliding_window.few]
}
sink "sim" "out" {
  for_each    = { x = 1, y = 2 }
  name        = "out-${var.name}-${each.key}"
  value       = jsonencode([source.sim.in.value, each.value])
  readable    = true
  rate_limits = [rate_limit.sliding_window.few]
}
output "path" { value = var.name }
check "fine" {
  assert {
    condition     = !source.sim.in.stale
    error_message = "stale"
  }
}
`

// sizesOf are how many entries a daemon, its process and its state have.
func sizesOf(t *testing.T, d *daemon) map[string]int {
	t.Helper()
	sizes, err := d.Sizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sizes["goroutines"] = runtime.NumGoroutine()
	reader, err := d.Engine().State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := reader.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sizes["stored sources"], sizes["stored sinks"], sizes["stored limits"], sizes["stored outputs"] = len(ledger.Sources), len(ledger.Sinks), len(ledger.Shared), len(ledger.Outputs)
	docs, err := reader.Documents(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	sizes["documents"] = len(docs)
	return sizes
}

// Keys that appear and vanish, and counts that grow and shrink, leave nothing behind.
func TestWatchInstancesLeaveNothingBehind(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", comingAndGoing, "part/main.hcl", partOfThat)
		set := func(n, round int, keys ...string) {
			parts := make([]string, len(keys))
			for i, key := range keys {
				parts[i] = fmt.Sprintf("%q:1", key)
			}
			w.set("all", fmt.Sprintf(`{"n":%d,"round":%d,"keys":{%s}}`, n, round, strings.Join(parts, ",")))
			pass(11 * time.Second)
		}
		set(2, 0, "stays")
		d := w.watch(m)
		pass(time.Minute)
		before := sizesOf(t, d)
		for i := range rounds {
			key := fmt.Sprintf("k%d", i)
			if i%3 == 0 { // of a host that fails, with a value that waits
				w.fails("in-" + key)
			}
			set(2+i%4, i, "stays", key)
			_ = d.push("sent-"+key, `{"v":1}`, fmt.Sprint(i%2))
			if i%5 == 0 {
				w.with(func() {
					w.target("out-stays-x").refuse = func(n int, _ string) error {
						if n%2 == 0 {
							return nil
						}
						return context.DeadlineExceeded
					}
				})
			}
			set(2, i, "stays")
		}
		pass(10 * time.Minute)
		after := sizesOf(t, d)
		for what, n := range after {
			switch {
			case what == "replays" || what == "documents":
				if n > before[what]+2*rounds { // each identity of a request, for a day
					t.Errorf("%s: %d, were %d", what, n, before[what])
				}
			case n > before[what]+3:
				t.Errorf("%s: %d, were %d", what, n, before[what])
			}
		}
		if t.Failed() {
			t.Log(before, "\n", after)
		}
		if n := len(d.status().Sinks); n != 4 {
			t.Errorf("%d sinks, want 4", n)
		}
	})
}

// openFiles are those of this process, and the watches of the operating system on the file system.
func openFiles(t *testing.T) (files, watches int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		t.Skip("there is no /proc")
	}
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join("/proc/self/fdinfo", e.Name()))
		if err == nil {
			files++
			watches += strings.Count(string(data), "inotify wd:")
		}
	}
	return files, watches
}

// Real files likewise: no file stays open, and no watch on a directory that is not looked at any more.
func TestWatchInstancesLeaveNoWatchBehind(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "all" { path = "all.json" }
source "file" "in" {
  for_each = source.file.all.value
  path     = "in-${each.key}/in.json"
}
sink "file" "out" {
  for_each    = source.file.all.value
  path        = "out-${each.key}/out"
  content     = jsonencode(source.file.in[each.key].value)
  create_dirs = true
  on_destroy  = "delete"
}
`, "all.json", `{"stays":1}`, "in-stays/in.json", `1`)
	d := m.watch()
	d.awaitFile("out-stays/out", "1")
	rounds := rounds
	if raceEnabled {
		rounds /= 10 // each is some fsyncs and some programs made
	}
	var files, watches int
	for i := range rounds {
		key := fmt.Sprintf("k%d", i)
		m.write("in-"+key+"/in.json", fmt.Sprint(i))
		m.replace("all.json", fmt.Sprintf(`{"stays":1,%q:1}`, key))
		d.awaitFile("out-"+key+"/out", fmt.Sprint(i))
		m.replace("all.json", `{"stays":1}`)
		d.awaitNone("out-" + key + "/out")
		d.await("it is forgotten", func() bool { s := d.status(); return len(s.Sinks) == 1 && len(s.Sources) == 2 })
		if i == 0 {
			files, watches = openFiles(t)
		}
	}
	d.await("no file is left open", func() bool {
		f, w := openFiles(t)
		return f <= files+2 && w <= watches
	})
	m.wantFile("out-stays/out", "1")
}
