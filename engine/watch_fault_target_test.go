//go:build unix

package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"tidegate/engine"
	"tidegate/providers/providertest/host"
)

// rests returns a condition: nothing was delivered since it was asked last.
func (d *daemon) rests() func() bool {
	before, since := -1, time.Now()
	return func() bool {
		if n := len(events[engine.DeliveryFinished](d)); n != before {
			before, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	}
}

// S11: another writer that undoes every repair is noticed, reported and left alone.
func TestWatchS11FightingWriter(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	done := make(chan struct{})
	var other sync.WaitGroup
	var wrote atomic.Int64
	var rests atomic.Bool
	other.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Microsecond):
			}
			if rests.Load() {
				continue
			}
			if text, _ := os.ReadFile(m.path("out.json")); string(text) != "mine" {
				wrote.Add(1)
				if err := os.WriteFile(m.path("out.json"), []byte("mine"), 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	})
	defer func() { close(done); other.Wait() }()
	// Each repair makes one round at most, whenever the other writer comes: five are a fight.
	d.awaitSink("sink.file.out", engine.StateFighting)
	n := wrote.Load()
	if s := d.sink("sink.file.out"); n > 1+5 || !strings.Contains(s.Reason, "another writer") || s.Next.IsZero() {
		t.Errorf("after %d rounds: %+v", n, s)
	}
	// What is new is delivered all the same, and then they fight once more. A delivery that the
	// other writer undoes before it was verified is tried again, as any that fails; one who is as
	// quick as this one would undo them all, so he rests for once.
	rests.Store(true)
	m.replace("app.json", `{"v":2}`)
	d.await("the new value was delivered", func() bool { return d.sink("sink.file.out").Revision >= 2 })
	d.awaitSink("sink.file.out", engine.StateOK)
	rests.Store(false)
	d.awaitSink("sink.file.out", engine.StateFighting)
	tries := int64(len(events[engine.DeliveryRetried](d)))
	for _, x := range events[engine.DeliveryStarted](d)[1:] {
		if !x.Repair {
			tries++
		}
	}
	if again := wrote.Load() - n; again > tries+5 {
		t.Errorf("%d rounds after %d tries to deliver what is new", again, tries)
	}
}

// S1, B14, B8: the disk of a target is full. The old bytes stay, nothing piles up, others are
// served, and when there is space again it converges by itself.
func TestWatchS1B14DiskFull(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := newModule(t, "v.txt", "one", "main.hcl", `
source "file" "v" { path = "v.txt" }
sink "file" "c" {
  path    = "disk/out.txt"
  content = source.file.v.text
  retry { attempts = 1 }
}
sink "file" "other" {
  path    = "other.txt"
  content = source.file.v.text
}
sink "exec" "after" {
  command  = ["/bin/sh", "-c", "echo ran >> ran.log"]
  triggers = [sink.file.c]
}`)
	if err := os.Mkdir(m.path("disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	host.Mount(t, "-t", "tmpfs", "-o", "size=64k", "tmpfs", m.path("disk"))
	d := m.watch()
	d.awaitFile("disk/out.txt", "one")
	d.awaitFile("ran.log", "ran\n")
	free := host.FillDisk(t, m.path("disk/ballast"))
	big := strings.Repeat("two ", 5000)
	m.replace("v.txt", big)
	d.awaitFile("other.txt", big)
	d.await("it failed twice", func() bool { return d.sink("sink.file.c").Errors >= 2 })
	if s := d.sink("sink.file.c"); s.State != engine.StateFailed || !strings.Contains(s.LastError, "no space left") {
		t.Errorf("%+v", s)
	}
	m.wantFile("disk/out.txt", "one")
	if files := regular(t, m.path("disk")); len(files) != 2 {
		t.Errorf("the full disk holds %q", files)
	}
	free()
	d.awaitFile("disk/out.txt", big)
	d.awaitFile("ran.log", "ran\nran\n")
	d.awaitSink("sink.file.c", engine.StateOK)
}

// S2: a directory that may not be written any more, and may again.
func TestWatchS2DirectoryNotWritable(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	m := newModule(t, "main.hcl", strings.Replace(copyOfFile, `"out.json"`, `"closed/out.json"`, 1), "app.json", `{"v":1}`)
	if err := os.Mkdir(m.path("closed"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := m.watch()
	d.awaitFile("closed/out.json", `{"v":1}`)
	if err := os.Chmod(m.path("closed"), 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(m.path("closed"), 0o755)
	m.replace("app.json", `{"v":2}`)
	d.await("it says which right is missing", func() bool {
		s := d.sink("sink.file.out")
		return (s.State == engine.StateFailed || s.State == engine.StateBlocked) && strings.Contains(s.Reason+s.LastError, "right to write")
	})
	m.wantFile("closed/out.json", `{"v":1}`)
	if err := os.Chmod(m.path("closed"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("closed/out.json", `{"v":2}`)
	d.awaitSink("sink.file.out", engine.StateOK)
}

// I10, T12, B9: what is secret is nowhere but in the target: not in state, status, events,
// history, log or errors.
func TestWatchSecretsStayHidden(t *testing.T) {
	var log logs
	m := newModule(t, "app.json", fmt.Sprintf(`{"password":%q,"v":1}`, canary), "main.hcl", `
rule "assert" "small" {
  assertion {
    condition     = value.v < 10
    error_message = "too big, with ${value.password}"
  }
}
source "file" "app" {
  path      = "app.json"
  sensitive = true
  rules     = [rule.assert.small]
}
source "webhook" "hook" { sensitive = true }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}
sink "file" "hook" {
  path    = "hook.json"
  content = jsonencode(source.webhook.hook.value)
}
sink "exec" "fails" {
  command = ["/bin/sh", "-c", "cat >&2; exit 1"]
  stdin   = source.file.app.value.password
  retry { attempts = 1 }
}
sink "http" "nobody" {
  url     = "http://127.0.0.1:1/${source.file.app.value.password}"
  headers = { Authorization = "Bearer ${source.file.app.value.password}" }
  body    = jsonencode(source.webhook.hook.value)
  retry { attempts = 1 }
}
output "all" {
  value     = source.file.app.value
  sensitive = true
}`)
	d := m.watch(func(o *engine.Options, _ *engine.WatchOptions) {
		o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &log})
	})
	d.awaitFile("out.json", fmt.Sprintf(`{"password":%q,"v":1}`, canary))
	if got := d.push("hook", fmt.Sprintf(`{"token":%q}`, canary), "a"); got.Outcome != engine.PushAccepted {
		t.Fatal(got)
	}
	d.awaitFile("hook.json", fmt.Sprintf(`{"token":%q}`, canary))
	d.awaitSink("sink.exec.fails", engine.StateFailed)
	d.awaitSink("sink.http.nobody", engine.StateFailed)
	m.replace("app.json", fmt.Sprintf(`{"password":%q,"v":11}`, canary))
	d.awaitSource("source.file.app", engine.StateRejected)
	tell := func() {
		t.Helper()
		s, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		history, err := d.History(t.Context(), parsed(t, "sink.file.out"), 100)
		if err != nil {
			t.Fatal(err)
		}
		out := new(bytes.Buffer)
		write(t, out, s)
		write(t, out, history)
		wantNoSecret(t, "status and history", out.String())
		d.mutex.Lock()
		for _, ev := range d.seen {
			wantNoSecret(t, "an event", fmt.Sprintf("%T %+v", ev, ev))
		}
		d.mutex.Unlock()
		wantNoSecret(t, "the log", log.String())
		if held := m.stateHolds(); len(held) > 0 {
			t.Errorf("the state holds the secret in %q", held)
		}
	}
	tell()
	m.replace("app.json", fmt.Sprintf(`{"password":%q,`, canary))
	d.awaitSource("source.file.app", engine.StateFailing)
	if got := d.push("hook", fmt.Sprintf(`{"token":%q`, canary), "b"); got.Outcome != engine.PushRejected {
		t.Error(got)
	} else {
		wantNoSecret(t, "the answer to a push", fmt.Sprint(got))
	}
	tell()
	d.halt()
	if held := m.stateHolds(); len(held) > 0 {
		t.Errorf("the state holds the secret in %q", held)
	}
}
