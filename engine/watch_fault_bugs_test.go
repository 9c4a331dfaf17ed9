//go:build unix

package engine_test

import (
	"os"
	"strings"
	"testing"

	"tidegate/engine"
)

// The bugs of the field, and the tests that hold them off under apply --watch:
//
//	B1  TestWatchB1UpstreamLosesItsData
//	B2  there is no check of a candidate file by a program yet
//	B3  TestWatchS2DirectoryNotWritable, TestWatchX9KilledDuringAProgram (nothing is left behind)
//	B4  TestWatchB4RateLimitsDeferAndCoalesce, TestWatchSettleMakesOneDeliveryOfABurst,
//	    TestWatchI8OneInFlightForEachSink, TestWatchE7PanicInASink
//	B5  TestWatchB5RejectionIsReportedOnceOverRestarts
//	B6  TestWatchP8B6TargetDownForHours
//	B7  TestWatchB7E8BrokenSourcesDisturbNobody, TestWatchH27CircuitOfAHost
//	B8  TestWatchS1B14DiskFull, TestWatchW13StateDiskFull
//	B9  TestWatchSecretsStayHidden
//	B10 TestWatchF3ConfigMapSwap, TestWatchF6WithoutNotification
//	B11 TestWatchX1X2ProgramsThatHang
//	B12 TestWatchW15RefusedPush, TestFaultContentConfigurationNestingBomb
//	B13 TestWatchE14CrashLoop, TestWatchS1B14DiskFull (what the disk holds)
//	B14 TestWatchS1B14DiskFull, TestWatchW13StateDiskFull
//	B15 TestFaultB15EveryGuardIsWired

// B1, R11: an upstream that loses its data never empties a target, in whatever way it says so.
func TestWatchB1UpstreamLosesItsData(t *testing.T) {
	for name, c := range map[string]struct{ file, text string }{
		"empty file":   {"in/a.json", ""},
		"null":         {"in/a.json", "null"},
		"empty object": {"in/a.json", "{}"},
		"empty list":   {"in/a.json", "[]"},
		"empty text":   {"in/a.json", `""`},
		"no file":      {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModule(t, "in/a.json", `{"v":1}`, "main.hcl", `
source "file" "one" { path = "in/a.json" }
source "file" "all" { path = "in" }
source "exec" "cat" {
  command  = ["cat", "in/a.json"]
  decode   = "json"
  interval = "100ms"
}
sink "file" "one" {
  path    = "one.json"
  content = jsonencode(source.file.one.value)
}
sink "file" "all" {
  path    = "all.json"
  content = jsonencode(source.file.all.value)
}
sink "file" "cat" {
  path    = "cat.json"
  content = jsonencode(source.exec.cat.value)
}`)
			d := m.watch()
			for _, f := range []string{"one.json", "cat.json"} {
				d.awaitFile(f, `{"v":1}`)
			}
			d.awaitFile("all.json", `{"a.json":{"v":1}}`)
			if c.file == "" {
				if err := os.RemoveAll(m.path("in")); err != nil {
					t.Fatal(err)
				}
			} else {
				m.write(c.file, c.text)
			}
			for _, source := range []string{"source.file.one", "source.exec.cat"} {
				d.await(source+" is refused", func() bool {
					s := d.source(source).State
					return s == engine.StateFailing || s == engine.StateRejected || s == engine.StateDegraded
				})
			}
			m.wantFile("one.json", `{"v":1}`)
			m.wantFile("cat.json", `{"v":1}`)
			if text, _ := m.read("all.json"); !strings.HasPrefix(text, `{"a.json":`) {
				t.Errorf("of the directory %q is left", text)
			}
			m.write("in/a.json", `{"v":2}`)
			for _, f := range []string{"one.json", "cat.json"} {
				d.awaitFile(f, `{"v":2}`)
			}
			d.awaitFile("all.json", `{"a.json":{"v":2}}`)
		})
	}
}
