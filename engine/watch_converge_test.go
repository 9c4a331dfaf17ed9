package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tidegate/engine"
)

// A sink that a change does not concern is decided while one before it is still under way, and
// must not keep the one behind it waiting after that has ended.
func TestWatchPassesAWaitThroughASinkWithNothingToDo(t *testing.T) {
	m := newModule(t, "v.json", `{"n":1,"m":1}`, "main.hcl", `
source "file" "v" { path = "v.json" }
sink "file" "app" {
  path    = "app"
  content = source.file.v.value.n
}
sink "exec" "run" {
  command    = ["/bin/sh", "-c", "cat >> ran"]
  stdin      = "run ${source.file.v.value.n}\n"
  depends_on = [sink.file.app]
}
sink "file" "after" {
  path       = "after"
  content    = source.file.v.value.m
  depends_on = [sink.exec.run]
}
`)
	d := m.watch()
	d.awaitFile("after", "1")
	for i := 2; i < 20; i++ {
		m.replace("v.json", fmt.Sprintf(`{"n":1,"m":%d}`, i))
		d.awaitFile("after", fmt.Sprint(i))
	}
	m.wantFile("ran", "run 1\n")
	for _, ev := range events[engine.SinkState](d) {
		t.Errorf("%s went from %s to %s: %s", ev.Address, ev.From, ev.To, ev.Reason)
	}
}

// Whatever changes in whatever order, and whatever depends on what: in the end every target
// holds what the newest values say.
func TestWatchConvergesWhateverDependsOnWhat(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			const sources, keys, sinks, rounds = 3, 4, 20, 25
			r := rand.New(rand.NewPCG(seed, 1))
			values := [sources][keys]int{}
			file := func(s int) string {
				object := map[string]int{}
				for k, v := range values[s] {
					object[fmt.Sprintf("k%d", k)] = v
				}
				data, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				return string(data)
			}
			var config strings.Builder
			var files []string
			for s := range sources {
				fmt.Fprintf(&config, "source \"file\" \"s%d\" {\n  path = \"s%d.json\"\n}\n", s, s)
				files = append(files, fmt.Sprintf("s%d.json", s), file(s))
			}
			var made []func() string // what each target is to hold
			var addresses []string
			for i := range sinks {
				s, k := r.IntN(sources), r.IntN(keys)
				content := fmt.Sprintf("%d ${source.file.s%d.value.k%d}", i, s, k)
				holds := func() string { return fmt.Sprintf("%d %d", i, values[s][k]) }
				if i > 0 && r.IntN(5) == 0 { // it reads an attribute of another one
					if up := addresses[r.IntN(i)]; strings.HasPrefix(up, "sink.file.") {
						content += "${basename(" + up + ".path) == \"\" ? \"?\" : \"\"}"
					}
				}
				var more, waits []string
				for _, up := range addresses {
					if r.IntN(6) == 0 {
						waits = append(waits, up)
					}
				}
				if len(waits) > 0 {
					more = append(more, "depends_on = ["+strings.Join(waits, ", ")+"]")
				}
				if r.IntN(5) == 0 {
					more = append(more, "settle {\n    min = \"20ms\"\n  }")
				}
				body, kind := fmt.Sprintf("path    = \"out%d\"\n  content = \"%s\"", i, content), "file"
				if r.IntN(5) == 0 {
					body, kind = fmt.Sprintf("command = [\"/bin/sh\", \"-c\", \"cat > next%d; mv next%d out%d\"]\n  stdin   = \"%s\"", i, i, i, content), "exec"
				}
				fmt.Fprintf(&config, "sink \"%s\" \"t%d\" {\n  %s\n  %s\n}\n", kind, i, body, strings.Join(more, "\n  "))
				addresses = append(addresses, fmt.Sprintf("sink.%s.t%d", kind, i))
				made = append(made, holds)
			}
			m := newModule(t, append(files, "main.hcl", config.String())...)
			d := m.watch()
			for round := range rounds {
				for i, holds := range made {
					d.awaitFile(fmt.Sprintf("out%d", i), holds())
				}
				d.await("everything is in step", func() bool {
					return !slices.ContainsFunc(d.status().Sinks, func(s *engine.SinkStatus) bool { return s.State != engine.StateOK })
				})
				for range 1 + r.IntN(3) {
					s := r.IntN(sources)
					values[s][r.IntN(keys)] = round + 1
					m.replace(fmt.Sprintf("s%d.json", s), file(s))
				}
			}
		})
	}
}
