//go:build unix

package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers/providertest/host"
)

const pushedToFile = `
source "webhook" "app" {}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.webhook.app.value)
}`

// W4: a request that is repeated is answered and changes nothing, and never brings back an
// older value, over restarts too, whatever became of it the first time.
func TestWatchW4Replays(t *testing.T) {
	m := newModule(t, "main.hcl", pushedToFile)
	d := m.watch()
	send := func(data, delivery string, want engine.PushOutcome) {
		t.Helper()
		if got := d.push("app", data, delivery); got.Outcome != want {
			t.Errorf("push of %s as %s: %+v, want %d", data, delivery, got, want)
		}
	}
	send(`{"v":1}`, "a", engine.PushAccepted)
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSource("source.webhook.app", engine.StateOK)
	send(`{"v":1}`, "b", engine.PushUnchanged) // what it would bring back is remembered
	send(`{"v":2}`, "c", engine.PushAccepted)
	d.awaitFile("out.json", `{"v":2}`)
	for round := range 2 {
		for _, id := range []string{"a", "b"} {
			send(`{"v":1}`, id, engine.PushUnchanged)
			send(`{"v":3}`, id, engine.PushConflict)
		}
		d.awaitSource("source.webhook.app", engine.StateOK)
		m.wantFile("out.json", `{"v":2}`)
		if round == 0 {
			d.halt()
			d = m.watch()
		}
	}
}

// W4: of requests with one identity that arrive together one is taken, and the others are
// answered when it is durable.
func TestWatchW4ReplaysSideBySide(t *testing.T) {
	for what, source := range map[string]string{
		"without a rule": `source "webhook" "app" {}`,
		"judged by a rule, beside the loop": `
rule "assert" "any" {
  assertion {
    condition     = value.v != ""
    error_message = "nothing"
  }
}
source "webhook" "app" { rules = [rule.assert.any] }`,
	} {
		t.Run(what, func(t *testing.T) {
			m := newModule(t, "main.hcl", source)
			d := m.watch()
			d.awaitSource("source.webhook.app", engine.StateWaiting)
			for round := range 20 {
				outcomes := make([]engine.PushOutcome, 8)
				var all sync.WaitGroup
				for i := range outcomes {
					all.Go(func() {
						outcomes[i] = d.push("app", fmt.Sprintf(`{"v":"%d %d"}`, round, i%2), fmt.Sprint("id ", round)).Outcome
					})
				}
				all.Wait()
				slices.Sort(outcomes)
				want := []engine.PushOutcome{0, 1, 1, 1, 2, 2, 2, 2} // accepted, unchanged, conflict
				if !slices.Equal(outcomes, want) {
					t.Errorf("round %d: %v, want %v", round, outcomes, want)
				}
			}
		})
	}
}

// W11: one name is sent as fast as it goes by several senders. Every value that was answered
// reaches the target or is superseded by one that was sent later, deliveries go on during the
// flood, and the last state of things is that of a last sender.
func TestWatchW11FloodOfOneName(t *testing.T) {
	m := newModule(t, "main.hcl", pushedToFile)
	d := m.watch()
	least := 6000
	if raceEnabled || testing.Short() {
		least = 1200
	}
	type sent struct {
		value           int
		begun, answered time.Time
	}
	var mutex sync.Mutex
	var accepted []sent
	var all sync.WaitGroup
	var next atomic.Int64
	used := func() int { return len(events[engine.Accepted](d)) }
	latest := time.Now().Add(patience)
	goOn := func(n int64) bool {
		return n <= int64(least) || used() < 5 && time.Now().Before(latest)
	}
	for range 4 {
		all.Go(func() {
			// The flood lasts until deliveries are seen to go on during it: a machine may be slow.
			for n := next.Add(1); goOn(n); n = next.Add(1) {
				x := sent{value: int(n), begun: time.Now()}
				got := d.push("app", fmt.Sprintf(`{"v":%d}`, x.value), "")
				if got.Outcome > engine.PushUnchanged {
					t.Errorf("push %d: %+v", x.value, got)
					return
				}
				x.answered = time.Now()
				mutex.Lock()
				accepted = append(accepted, x)
				mutex.Unlock()
			}
		})
	}
	all.Wait()
	during := used()
	var begun time.Time // of the last one
	for _, x := range accepted {
		if x.begun.After(begun) {
			begun = x.begun
		}
	}
	// Whatever was answered before the last one was sent is superseded by it.
	newest := func() bool {
		v := m.v("out.json")
		return slices.ContainsFunc(accepted, func(x sent) bool { return x.value == v && !x.answered.Before(begun) })
	}
	d.await("the newest value is in place", newest)
	d.awaitSink("sink.file.out", engine.StateOK)
	d.halt()
	final := m.v("out.json")
	if !newest() {
		t.Errorf("the target went back to %d", final)
	}
	if during < 5 {
		t.Errorf("%d values were used during %d pushes: a flood keeps everything away", during, len(accepted))
	}
	d = m.watch()
	d.awaitSource("source.webhook.app", engine.StateOK)
	if again := m.v("out.json"); again != final {
		t.Errorf("a restart changed %d to %d", final, again)
	}
}

// In a flood few deliveries begin at once. Programs that do not end keep nobody else waiting even so.
func TestWatchFloodAndSlowSinks(t *testing.T) {
	m := newModule(t, "main.hcl", pushedToFile+`
source "webhook" "slow" {}
sink "exec" "slow" {
  count   = 4
  command = ["/bin/sh", "-c", "echo began >> began.${count.index}; while ! [ -e go ]; do sleep 0.02; done"]
  stdin   = source.webhook.slow.text
}
source "webhook" "other" {}
sink "file" "other" {
  path    = "other.json"
  content = source.webhook.other.text
}`)
	d := m.watch()
	over := make(chan struct{})
	var flood sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		flood.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				n := next.Add(1)
				if got := d.push("app", fmt.Sprintf(`{"v":%d}`, n), ""); got.Outcome > engine.PushUnchanged {
					t.Errorf("push %d: %+v", n, got)
					return
				}
			}
		})
	}
	defer flood.Wait()
	defer close(over)
	d.await("the flood has begun", func() bool { return next.Load() > 50 })
	d.push("slow", `1`, "")
	for i := range 4 {
		d.awaitFile(fmt.Sprintf("began.%d", i), "began\n")
	}
	d.push("other", `{"v":7}`, "")
	d.awaitFile("other.json", `{"v":7}`)
	m.write("go", "")
	for i := range 4 {
		d.awaitSink(fmt.Sprintf("sink.exec.slow[%d]", i), engine.StateOK)
	}
}

// v is the number in a file, 0 if there is none.
func (m *module) v(name string) int {
	m.t.Helper()
	text, _ := m.read(name)
	var held struct{ V int }
	if err := json.Unmarshal([]byte(text), &held); text != "" && err != nil {
		m.t.Errorf("%s is torn: %q", name, text)
	}
	return held.V
}

// W15: what is refused is answered with the reasons, and what is in use stays.
func TestWatchW15RefusedPush(t *testing.T) {
	m := newModule(t, "main.hcl", `
rule "assert" "sane" {
  assertion {
    condition     = value.v < 10
    error_message = "too big: ${value.v}"
  }
  assertion {
    condition     = can(value.name)
    error_message = "no name"
  }
}
source "webhook" "app" { rules = [rule.assert.sane] }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.webhook.app.value)
}`)
	d := m.watch()
	if got := d.push("app", `{"name":"x","v":1}`, ""); got.Outcome != engine.PushAccepted {
		t.Fatalf("%+v", got)
	}
	d.awaitFile("out.json", `{"name":"x","v":1}`)
	for data, parts := range map[string][]string{
		`{"v":11}`:                 {"too big: 11", "no name"},
		`{}`:                       {"empty"},
		`null`:                     {"empty"},
		`{"v":1,"v":2,"name":"x"}`: {"config_data"},
		`{"v":NaN}`:                {"config_data"},
		strings.Repeat("[", 1e5):   {"config_data"},
	} {
		got := d.push("app", data, "")
		if text := strings.Join(got.Findings, "\n"); got.Outcome != engine.PushRejected || !containsAll(text, parts) {
			t.Errorf("push of %.40s: %+v, want %q", data, got, parts)
		}
	}
	d.awaitSource("source.webhook.app", engine.StateOK)
	m.wantFile("out.json", `{"name":"x","v":1}`)
}

func containsAll(text string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}

// W13, T6: the disk of the state is full. Nothing is answered as taken, no target is touched,
// what was in use stays, and when there is space again everything goes on by itself.
func TestWatchW13StateDiskFull(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := newModule(t, "v.json", `{"v":1}`, "main.hcl", `
source "webhook" "app" {}
source "file" "v" {
  path     = "v.json"
  interval = "100ms"
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.webhook.app.value)
}
sink "file" "v" {
  path    = "v.out"
  content = jsonencode(source.file.v.value)
}`)
	if err := os.Mkdir(m.path(".tidegate"), 0o700); err != nil {
		t.Fatal(err)
	}
	host.Mount(t, "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", m.path(".tidegate"))
	d := m.watch()
	big := strings.Repeat("x", 1000)
	text := func(v int) string { return fmt.Sprintf(`{"pad":%q,"v":%d}`, big, v) }
	if got := d.push("app", text(1), "a"); got.Outcome != engine.PushAccepted {
		t.Fatalf("%+v", got)
	}
	d.awaitFile("out.json", text(1))
	d.awaitFile("v.out", `{"v":1}`)
	free := host.FillDisk(t, m.path(".tidegate/ballast"))
	// The state may have some room of its own left.
	last := 1
	for i := 2; ; i++ {
		if got := d.push("app", text(i), fmt.Sprint("id ", i)); got.Outcome == engine.PushBusy {
			break
		}
		last = i
		if i > 5000 {
			t.Fatal("a full disk takes everything")
		}
	}
	s, err := d.Status(t.Context())
	if err != nil || s.StateError == "" {
		t.Errorf("the status does not tell of the trouble: %+v %v", s, err)
	}
	held, _ := m.read("v.out")
	m.replace("v.json", `{"v":2}`)
	looks := d.source("source.file.v").Looks
	d.await("it goes on looking", func() bool { return d.source("source.file.v").Looks > looks+3 })
	for i := range 5 {
		if got := d.push("app", text(9000+i), ""); got.Outcome != engine.PushBusy || got.After <= 0 {
			t.Errorf("push while the state cannot be written: %+v", got)
		}
	}
	m.wantFile("v.out", held)
	if v := m.v("out.json"); v > last {
		t.Errorf("the target holds %d, which was not taken in (the last was %d)", v, last)
	}
	free()
	d.awaitFile("v.out", `{"v":2}`)
	d.awaitFile("out.json", text(last))
	if got := d.push("app", text(7000), "new"); got.Outcome != engine.PushAccepted {
		t.Errorf("push after the trouble: %+v", got)
	}
	d.awaitFile("out.json", text(7000))
	if n := len(events[engine.StateTrouble](d)); n != 2 {
		t.Errorf("the trouble was told %d times, want once when it began and once when it ended", n)
	}
}

// A daemon that is stopped when there is room again, and before it would have tried again by itself,
// writes down what it could not.
func TestWatchStopsOnceTheStateCanBeWrittenAgain(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":0}`)
	if err := os.Mkdir(m.path(".tidegate"), 0o700); err != nil {
		t.Fatal(err)
	}
	host.Mount(t, "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", m.path(".tidegate"))
	d := m.watch()
	d.awaitFile("out.json", `{"v":0}`)
	free := host.FillDisk(t, m.path(".tidegate/ballast"))
	for i := 1; d.status().StateError == ""; i++ { // the state may have some room of its own left
		m.replace("app.json", fmt.Sprintf(`{"v":%d}`, i))
		looks := d.source("source.file.app").Looks
		d.await("it was looked at", func() bool { return d.source("source.file.app").Looks > looks || d.status().StateError != "" })
	}
	free()
	d.halt()
	d = m.watch()
	d.inStep()
}

// postTo sends a value to the listener and returns the status, 0 where there was no answer.
func postTo(ctx context.Context, client *http.Client, address, body, id string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/webhook/config", strings.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	if id != "" {
		r.Header.Set("Webhook-Id", id)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// W12: kill -9 at any moment, with senders at the listener. Whatever was answered with 200
// survives: it reaches the target, or one that was sent later does.
func TestWatchW12KilledBetweenAnswerAndApply(t *testing.T) {
	m := newModule(t, "main.hcl", pushedToFile)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	random := rand.New(rand.NewPCG(12, 12))
	rounds := 8
	if raceEnabled || testing.Short() {
		rounds = 2
	}
	value, taken := 0, 0
	for range rounds {
		s := m.serve("--listen", "127.0.0.1:0")
		address := s.address()
		over := time.After(time.Duration(random.Int64N(int64(150 * time.Millisecond))))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-over; s.kill(); cancel() }()
		for {
			value++
			status := postTo(ctx, client, address, fmt.Sprintf(`{"config_name":"app","config_data":{"v":%d}}`, value), "")
			if status == 0 {
				break
			}
			if status != http.StatusOK {
				t.Fatalf("value %d was answered with %d\n%s", value, status, s.log)
			}
			taken = value
		}
		<-s.ended
		if held := m.v("out.json"); held > value {
			t.Fatalf("the target holds %d", held)
		}
	}
	s := m.serve("--listen", "127.0.0.1:0")
	eventually(t, fmt.Sprintf("value %d, which was answered with 200, is in use\n%s", taken, s.log), func() bool { return m.v("out.json") >= taken })
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
	if taken < rounds {
		t.Errorf("only %d values were taken in", taken)
	}
	t.Logf("%d values, the last that was answered is %d", value, taken)
}

// A push that cannot be judged because its sender went away is kept or dropped as a whole (W14).
func TestWatchW14SenderGoesAway(t *testing.T) {
	m := newModule(t, "main.hcl", pushedToFile)
	d := m.watch()
	d.awaitSource("source.webhook.app", engine.StateWaiting)
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		data := fmt.Appendf(nil, `{"v":%d}`, i+1)
		go cancel()
		got := d.Push(ctx, engine.Pushed{Receiver: d.Receivers().Sources["app"], Name: "app", Data: data, Digest: sha256.Sum256(data)})
		if got.Outcome != engine.PushAccepted && got.Outcome != engine.PushBusy {
			t.Errorf("push %d: %+v", i+1, got)
		}
	}
	if got := d.push("app", `{"v":99}`, ""); got.Outcome != engine.PushAccepted {
		t.Errorf("%+v", got)
	}
	d.awaitFile("out.json", `{"v":99}`)
	d.awaitSink("sink.file.out", engine.StateOK)
}

// A value was seen before it was known that the state is full: its sink is told of as waiting for that,
// and not as being delivered.
func TestWatchW13StatusWhileTheStateIsFull(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := newModule(t, "v.json", `{"v":1}`, "main.hcl", `
source "file" "v" {
  path     = "v.json"
  interval = "100ms"
}
sink "file" "v" {
  path    = "v.out"
  content = jsonencode(source.file.v.value)
}`)
	if err := os.Mkdir(m.path(".tidegate"), 0o700); err != nil {
		t.Fatal(err)
	}
	host.Mount(t, "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", m.path(".tidegate"))
	d := m.watch()
	d.awaitFile("v.out", `{"v":1}`)
	d.awaitSink("sink.file.v", engine.StateOK)
	free := host.FillDisk(t, m.path(".tidegate/ballast"))
	value := fmt.Sprintf(`{"v":%q}`, strings.Repeat("x", 200<<10)) // more than the room that the state has left
	m.replace("v.json", value)
	d.await("the state cannot be written", func() bool { return d.status().StateError != "" })
	d.await("the sink is told of as waiting for the state", func() bool {
		s := d.sink("sink.file.v")
		return s.State == engine.StateBlocked && s.Reason == "waits until the state can be written"
	})
	m.wantFile("v.out", `{"v":1}`)
	free()
	d.await("the value is delivered", func() bool {
		got, _ := m.read("v.out")
		return got == value
	})
	d.awaitSink("sink.file.v", engine.StateOK)
}
