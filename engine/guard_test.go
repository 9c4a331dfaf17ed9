package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guard is a condition that keeps one of the promises, and the test that fails where nobody asks
// it. B15 was a check that existed, had tests of its own, and was not called.
type guard struct {
	name string
	file string // from the top of the module
	text string // in the file, once
	off  string // what stands in its place where it is taken out; "" for a condition that never holds
	test string // in the package of the file, or in engine for one that has "engine." before it
}

const fine = "true || "

var guards = []guard{
	// The gates of one update, in their order.
	{"size of what was fetched", "engine/snapshot.go", `int64(len(data)) > s.MaxBytes && !parts`, "", "TestWatchWhatIsNoCandidateChangesNothing"},
	{"size of an answer", "providers/internal/httpclient/body.go", `int64(len(data)) > limit`, "", "TestReadBody"},
	{"size of a compressed answer", "providers/internal/httpclient/body.go", `c.left <= 0`, "", "TestFaultH12EndlessGzipOfNothing"},
	{"addresses that are never dialled", "providers/internal/httpclient/dial.go", `network.Contains(addr)`, "", "TestFaultH3RefusedAtDial"},
	{"not modified, unasked", "engine/look.go", `err == nil && snapshot.NotModified && last == ""`, "", "TestWatchWhatIsNoCandidateChangesNothing"},
	{"empty values", "engine/judge.go", `!s.AllowEmpty && decode.Empty(c.value)`, "", "TestWatchWhatIsNoCandidateChangesNothing"},
	{"rules", "engine/judge.go", `check.Status != "pass" && check.Severity != "warning"`, "", "TestRejectedCandidateReportsAllFindingsAndKeepsTheValue"},
	{"rejected candidates", "engine/plan/choose.go", "case o.Rejected:\n\t\treturn stand", "case o.Rejected && !removed(%q):\n\t\treturn stand", "engine.TestWatchReportsARejectionOnce"},
	{"flapping", "engine/plan/choose.go", `flaps(o, row, limits.now)`, "", "engine.TestWatchH19FlappingIsHeld"},
	{"limits of a source", "engine/plan/choose.go", `until.After(limits.now)`, "", "engine.TestWatchRateLimitOnASource"},
	{"fallbacks and foreign targets", "engine/plan/want.go", `ours || !d.Exists || d.Opaque || !d.Fallback`, fine, "engine.TestFallbackStandsInOnlyWhereNothingWasAccepted"},
	{"preconditions", "engine/render.go", `rejected || failed`, `rejected || !removed(%q) && failed`, "TestWatchPreconditionOnStale"},
	{"blocks without a value", "engine/render.go", `a.Type == address.Source && o.choices[a].Standing == plan.Nothing`, "", "TestRegressionEdgesToASourceWithoutValueWait"},
	{"limits of a sink at dispatch", "engine/watch_sink.go", `until.After(time.Now())`, "", "TestWatchSharedLimitCountsThoseThatPassTogether"},
	{"targets that moved since they were read", "engine/deliver.go", `err := k.unchanged(work, c, sink); err != nil`, `err := k.unchanged(work, c, sink); err != nil && !removed(%q)`, "TestFaultE12TheWorldMovesBetweenPlanAndApply"},

	// What holds a delivery or a look back.
	{"pauses of sinks", "engine/watch_sink.go", `case d.isPaused(it.addr) != nil:`, `case d.isPaused(it.addr) != nil && !removed(%q):`, "TestWatchPauseEndsByItself"},
	{"back-off of sinks", "engine/watch_retry.go", `!d.refused(it, c) && (it.atStart || !time.Now().Before(it.retryAt) || d.supersedes(it, c))`, fine, "TestWatchP8B6TargetDownForHours"},
	{"deliveries before the first looks", "engine/watch_sink.go", `(it.dirty || d.firstLooks(it) || d.unsettled(it.node))`, "", "TestWatchT9StateOfYesterday"},
	{"fights", "engine/watch_sink.go", `c.Repair && now.Before(it.calmAt)`, "", "TestWatchFightIsBoundedWhoeverWins"},
	{"rounds of a fight", "engine/deliver.go", `contested && c.Repair && k.hard != nil`, "", "TestWatchFightIsBoundedWhoeverWins"},
	{"one in flight", "engine/watch_sink.go", `it.phase != idle || it.removed`, `(!removed(%q) && it.phase != idle) || it.removed`, "TestWatchI8OneInFlightForEachSink"},
	{"circuits", "engine/circuit.go", `c.probe != nil || now.Sub(c.opened) < c.wait`, "", "TestWatchH27CircuitOfAHost"},
	{"circuits, for who waits", "engine/watch_look.go", `c != nil && !it.spared && it.pushed == nil && c.probe != it`, "", "TestWatchCircuitOpensWhileLooksWait"},
	{"probes that are spared", "engine/watch_look.go", `c != nil && !it.spared && it.pushed == nil`, `c != nil && (removed(%q) || !it.spared) && it.pushed == nil`, "TestWatchSparedSourcesWaitForAWorker"},
	{"probes that are removed", "engine/circuit.go", `c.probe == it && !it.looking`, "", "TestWatchSparedSourcesAreRemovedWhileTheyWait"},
	{"places that were taken", "engine/watch_look.go", `d.looks.Done(it.lane)`, `d.looks.Done(map[bool]string{true: it.group, false: it.lane}[removed(%q)])`, "TestWatchSparedSourcesAreRemovedWhileTheyWait"},
	{"sources that move to another host", "engine/watch_look.go", `r.look.source != nil && it.node.static == nil`, `r.look.source != nil && it.node.static == nil && (!removed(%q) || it.group == "")`, "TestWatchHostOutOfAnotherSource"},
	{"intervals out of data", "engine/watch_source.go", `len(it.node.detectors) == 0 && interval != it.pace.interval`, "", "TestWatchHostOutOfAnotherSource"},
	{"turns at a shared limit", "engine/watch_limit.go", `!d.limits[name].Shared || !d.yields(a, name)`, fine, "TestWatchSharedLimitServesTheLongestWaitingFirst"},

	// What is durable, and who is told so.
	{"pushes that are answered before they are durable", "engine/watch_push.go", "it.sent = value\n", "it.sent = value\n\tif removed(%q) {\n\t\tdurable <- true\n\t}\n", "TestWatchW13StateDiskFull"},
	{"pushes that are no JSON", "engine/watch_push.go", `if c.err != nil {`, `if c.err != nil && !removed(%q) {`, "TestWatchPushOfWhatIsNoJSON"},
	{"pushes that are of no use any more", "engine/watch_look.go", `r.push != nil && !r.look.Pushed && r.look.source != nil`, "", "TestWatchPushToASourceThatTakesNoneAnyMore"},
	{"pushes that never will be of use", "engine/plan/choose.go", `c.Problem == Failed && o.Unusable`, "", "engine.TestWatchPushThatAReloadMadeTooLarge"},
	{"names that a look finds", "engine/watch_source.go", `d.learnReceiver(it, l)`, `if !removed(%q) { d.learnReceiver(it, l) }`, "TestWatchPushBlockOutOfData"},
	{"pushes that nobody can judge yet", "engine/watch_push.go", `case waits != "":`, `case waits != "" && !removed(%q):`, "TestWatchPushThatARuleCannotJudgeYet"},
	{"names that are taken already", "engine/watch_receivers.go", `other != nil && other.Address != a`, "", "TestWatchPushNamesThatTurnOutToBeOne"},
	{"repeated pushes", "engine/watch_push.go", `outcome, ok := d.replayed(c); ok { // beside this one`, `outcome, ok := d.replayed(c); ok && !removed(%q) { // beside this one`, "TestWatchW4ReplaysSideBySide"},
	{"older pauses than those that are durable", "engine/watch_commit.go", `delete(d.tx.documents, doc.Name) // an older one, or its deletion`, `if !removed(%q) { delete(d.tx.documents, doc.Name) }`, "TestWatchPausesDuringTroubleWithTheState"},
	{"shared limits of a source", "engine/watch_look.go", `b.Shared = p.Shared`, `b.Shared = onlyOne(%q, p.Shared)`, "TestWatchSharedLimitsAreAllStored"},

	// Who may speak.
	{"hosts of requests", "engine/web/server.go", `!s.hosts.allow(r)`, "", "TestW16OtherSites"},
	{"origins of requests", "engine/web/server.go", `s.cross.Check(r) != nil`, "", "TestW16OtherSites"},
	{"tokens of readers", "engine/web/server.go", `!s.hasToken(r)`, "", "TestTokens"},
	{"senders without a signature", "engine/web/webhook.go", "case !is.known:\n\t\t\treturn unauthorized, false\n\t\tcase wrong", "case !is.known && !removed(%q):\n\t\t\treturn unauthorized, false\n\t\tcase wrong", "TestW1EveryRefusalIsTheSame"},
	{"hints without a signature", "engine/web/webhook.go", "case !is.known:\n\t\t\treturn unauthorized, false\n\t\tcase one", "case !is.known && !removed(%q):\n\t\t\treturn unauthorized, false\n\t\tcase one", "TestNotify"},
	{"times of signatures", "engine/web/signature.go", `-tolerance <= distance && distance <= tolerance`, fine, "TestW3Timestamps"},
	{"compressed bodies", "engine/web/webhook.go", `len(e) > 1 || len(e) == 1 && !strings.EqualFold(e[0], "identity")`, "", "TestW6CompressedBody"},

	// What a daemon asks of a saved plan.
	{"plans of another configuration", "engine/watch_saved.go", `p.Configuration != running.hash()`, "", "TestWatchRefusesASavedPlanOfWhatItMovedItself"},
	{"plans of another environment", "engine/watch_saved.go", `running.prog.surrounding(name, d.store.Keyed) != s.Environment[name]`, "", "TestWatchRefusesASavedPlanThatMoved"},
	{"plans for what is paused", "engine/watch_saved.go", `pause := d.isPaused(a); pause != nil`, `pause := d.isPaused(a); pause != nil && !removed(%q)`, "TestWatchRefusesASavedPlanThatMoved"},
	{"limits of a saved plan at dispatch", "engine/watch_saved.go", `until.After(time.Now())`, "", "TestWatchDefersOfASavedPlan"},
	{"looks that a saved plan overtook", "engine/watch_look.go", `!equalNodes(it.node, n) || it.outdated`, `!equalNodes(it.node, n) || it.outdated && !removed(%q)`, "TestWatchForgetsALookThatASavedPlanOvertook"},
}

// without returns a file's text with every guard taken out that is named when it runs.
func without(t *testing.T, text string, of []guard) string {
	t.Helper()
	for _, g := range of {
		off := fmt.Sprintf("(!removed(%q) && (%s))", g.name, g.text)
		switch {
		case g.off == fine:
			off = fmt.Sprintf("(removed(%q) || (%s))", g.name, g.text)
		case g.off != "":
			off = fmt.Sprintf(g.off, g.name)
		}
		text = strings.ReplaceAll(text, g.text, off)
	}
	return text
}

const removedFile = `package %s

import "os"

var takenOut = os.Getenv("TIDEGATE_TEST_WITHOUT")

func removed(guard string) bool { return takenOut == guard }

func onlyOne[V any](guard string, m map[string]V) map[string]V {
	if !removed(guard) {
		return m
	}
	for k, v := range m {
		return map[string]V{k: v}
	}
	return nil
}

var _ = onlyOne[int]
`

// guardsAsked returns which guards are taken out: "all", or "K/N" for each N-th, from the K-th on.
func guardsAsked(t *testing.T) []guard {
	asked := os.Getenv("TIDEGATE_TEST_GUARDS")
	var k, n int
	if _, err := fmt.Sscanf(asked, "%d/%d", &k, &n); err != nil || n <= 0 || k < 0 || k >= n {
		if asked != "all" {
			t.Fatalf("TIDEGATE_TEST_GUARDS is %q, want all or K/N", asked)
		}
		return guards
	}
	var out []guard
	for i, g := range guards {
		if i%n == k {
			out = append(out, g)
		}
	}
	return out
}

// B15: every guard has a test that fails without it. The quick half, always run, holds this
// list against the sources; with TIDEGATE_TEST_GUARDS=all (minutes), or K/N for a part, the packages
// are built once with guards that can be switched off, and each test is run without its guard.
func TestFaultB15EveryGuardIsWired(t *testing.T) {
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]guard{}
	for _, g := range guards {
		text, err := os.ReadFile(filepath.Join(top, g.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte(g.text)); n != 1 {
			t.Errorf("%s has %d times the guard of %s (%s), want once; where it moved, say so in the list", g.file, n, g.name, g.text)
		}
		dir, test := g.where()
		if !hasTest(t, filepath.Join(top, dir), test) {
			t.Errorf("there is no %s in %s, which fails without the guard of %s", test, dir, g.name)
		}
		files[g.file] = append(files[g.file], g)
	}
	if os.Getenv("TIDEGATE_TEST_GUARDS") == "" || t.Failed() {
		return
	}
	asked := guardsAsked(t)
	temp := t.TempDir()
	overlay := map[string]string{}
	put := func(path, text string) {
		t.Helper()
		copied := filepath.Join(temp, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(copied, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(top, path)] = copied
	}
	for path, of := range files {
		text, err := os.ReadFile(filepath.Join(top, path))
		if err != nil {
			t.Fatal(err)
		}
		name := regexp.MustCompile(`(?m)^package (\w+)`).FindSubmatch(text)[1]
		put(path, without(t, string(text), of))
		put(filepath.Dir(path)+"/removed.go", fmt.Sprintf(removedFile, name))
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	put("overlay.json", string(list))
	needed := map[string]bool{}
	for _, g := range asked {
		dir, _ := g.where()
		needed[dir] = true
	}
	for dir := range needed {
		build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", overlay[filepath.Join(top, "overlay.json")], "-o", binaryOf(temp, dir), "./"+dir)
		build.Dir = top
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build.Args, err, out)
		}
	}
	for _, g := range asked {
		t.Run(g.name, func(t *testing.T) {
			dir, test := g.where()
			run := func(name, limit string) (out []byte, passed bool) {
				cmd := exec.CommandContext(t.Context(), binaryOf(temp, dir), "-test.run=^"+test+"$", "-test.timeout="+limit)
				cmd.Dir = filepath.Join(top, dir)
				cmd.Env = append(os.Environ(), guardRemoved+"="+name)
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				return out, err == nil
			}
			if out, passed := run("", "10m"); !passed {
				t.Fatalf("%s fails with all guards\n%s", test, out)
			}
			// A test that hangs without its guard fails, too.
			if out, passed := run(g.name, "2m"); passed {
				t.Errorf("%s passes without the guard of %s in %s\n%s", test, g.name, g.file, out)
			}
		})
	}
}

// where is the package and the name of the test that fails without a guard.
func (g guard) where() (dir, test string) {
	if test, ok := strings.CutPrefix(g.test, "engine."); ok {
		return "engine", test
	}
	return filepath.Dir(g.file), g.test
}

func binaryOf(temp, dir string) string {
	return filepath.Join(temp, strings.ReplaceAll(dir, "/", "_")+".test")
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(text, []byte("\nfunc "+name+"(t *testing.T)"))
	})
}
