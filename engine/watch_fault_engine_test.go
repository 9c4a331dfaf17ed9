//go:build linux

package engine_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"tidegate/engine"
)

// E5: a reload that brings a cycle, however long, or a block that needs itself, changes nothing
// and prints it; the same one in the same words each time.
func TestWatchE5CycleInAReload(t *testing.T) {
	long := "locals {\n  n0 = local.n2999\n"
	for i := 1; i < 3000; i++ {
		long += fmt.Sprintf("  n%d = local.n%d\n", i, i-1)
	}
	long += "}\n"
	diamond := "locals {\n  d0 = 1\n" // two to the power of 60 ways from the first to the last
	for i := 1; i < 60; i++ {
		diamond += fmt.Sprintf("  l%[1]d = local.d%[2]d\n  r%[1]d = local.d%[2]d\n  d%[1]d = local.l%[1]d + local.r%[1]d - local.d%[2]d\n", i, i-1)
	}
	diamond += "}\n"
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	v := 1
	for _, broken := range []struct{ text, want string }{
		{"locals {\n  a = local.a\n}\n", "local.a -> local.a"},
		{"sink \"exec\" \"x\" {\n  command = [\"true\"]\n  triggers = [sink.exec.x]\n}\n", "sink.exec.x -> sink.exec.x"},
		{"source \"exec\" \"a\" {\n  command = [source.exec.b.value]\n}\nsource \"exec\" \"b\" {\n  command = [source.exec.a.value]\n}\n", "source.exec.a -> source.exec.b -> source.exec.a"},
		{long, "local.n0 -> local.n2999 -> "},
	} {
		var told []string
		for range 3 {
			m.write("main.hcl", copyOfFile+"\n"+broken.text)
			err := d.Reload(context.Background())
			if err == nil || !strings.Contains(err.Error(), "ycle") || !strings.Contains(err.Error(), broken.want) {
				t.Fatalf("reload says %.300v, want %q", err, broken.want)
			}
			told = append(told, err.Error())
		}
		if told[0] != told[1] || told[1] != told[2] {
			t.Errorf("the same cycle in other words: %.300q", told)
		}
		v++
		m.replace("app.json", fmt.Sprintf(`{"v":%d}`, v))
		d.awaitFile("out.json", fmt.Sprintf(`{"v":%d}`, v))
	}
	m.write("main.hcl", copyOfFile+"\n"+diamond)
	d.mustReload()
}

// E9: sources that bring more than there is room for. Each is stopped at its own bound, so that
// the process stays within one, and killed for its memory all the same it goes on where it was.
func TestWatchE9MemoryIsBounded(t *testing.T) {
	const sources = 24
	o := newTalker(t, endless)
	config := copyOfFile
	for i := range sources {
		config += fmt.Sprintf(`
source "http" "big%[1]d" {
  url       = "%[2]s/%[1]d.json"
  max_bytes = 4194304
  detectors = [detector.hash.quick]
}
sink "file" "big%[1]d" {
  path    = "big%[1]d.json"
  content = jsonencode(source.http.big%[1]d.value)
}`, i, o.url)
	}
	config += `
detector "hash" "quick" {
  interval = "100ms"
  backoff { max = "200ms" }
}`
	m := newModule(t, "app.json", `{"v":1}`, "main.hcl", config)
	s := m.serve()
	eventually(t, "it runs", func() bool { return m.v("out.json") == 1 })
	eventually(t, "all sources failed several times\n"+s.log.String(), func() bool {
		return strings.Count(m.tool("status").stdout, "degraded") >= sources
	})
	// Eight at a time of one host, each with the buffer that it grows out of, and the program.
	if most := highWater(t, s.cmd.Process.Pid); most > 220<<20 && !raceEnabled {
		t.Errorf("it took %d MiB", most>>20)
	}
	s.kill()
	o.from(document(`{"v":5}`))
	m.replace("app.json", `{"v":2}`)
	s = m.serve()
	eventually(t, "the file travels", func() bool { return m.v("out.json") == 2 })
	for i := range sources {
		eventually(t, fmt.Sprintf("source %d is served", i), func() bool { return m.v(fmt.Sprintf("big%d.json", i)) == 5 })
	}
	s.stop(0)
}

// highWater is the most memory that a process ever had.
func highWater(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("the kernel does not tell")
	return 0
}

// E13: what was paused stays so over a restart, and where it cannot be read any more what is
// paused, nothing is delivered that may be: the daemon refuses to start.
func TestWatchE13PausesThatCannotBeRead(t *testing.T) {
	for what, damage := range map[string]string{
		"other bytes": "UPDATE documents SET data = '[]' WHERE name = 'pauses'",
		"gone":        "DELETE FROM documents WHERE name = 'pauses'",
	} {
		t.Run(what, func(t *testing.T) {
			m := newModule(t, "app.json", `{"v":1}`, "main.hcl", copyOfFile)
			d := m.watch()
			d.awaitFile("out.json", `{"v":1}`)
			if err := d.Pause(t.Context(), engine.Pause{Pattern: "sink.*"}); err != nil {
				t.Fatal(err)
			}
			d.halt()
			m.write("app.json", `{"v":2}`)
			d = m.watch()
			d.awaitSink("sink.file.out", engine.StatePaused)
			d.halt()
			m.sql(damage)
			finish(t, m.command("apply", "--watch")).want(t, 1, "state")
			m.wantFile("out.json", `{"v":1}`)
		})
	}
}
