//go:build unix

package engine_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/engine"
)

// copyTree copies the regular files of one directory to another.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// T9: the state was replaced by yesterday's backup. What the targets hold is newer than what it
// knows, and is not taken back to what it was then while the sources tell what is true now;
// what it delivered since is adopted, and nothing is sent again.
func TestWatchT9StateOfYesterday(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "a", "b", "c")+strings.Join(each("a b c", `
sink "sim" %[1]q {
  name     = %[1]q
  value    = tostring(source.sim.%[1]s.value.n)
  readable = true
}
sink "sim" "after_%[1]s" {
  name     = "after_%[1]s"
  value    = "reload"
  triggers = [sink.sim.%[1]s]
}
`), ""))
		backup := filepath.Join(t.TempDir(), "backup")
		d := w.watch(m)
		pass(time.Minute)
		d.halt()
		copyTree(t, m.path(".tidegate"), backup)
		d = w.watch(m)
		for v := 2; v <= 4; v++ {
			for _, name := range []string{"a", "b", "c"} {
				w.set(name, fmt.Sprintf(`{"n":%d}`, v))
			}
			pass(time.Minute)
		}
		d.halt()
		copyTree(t, backup, m.path(".tidegate"))
		w.set("b", `{"n":5}`) // it moved meanwhile
		hang, slow := make(chan struct{}), make(chan struct{})
		defer close(hang)
		w.with(func() { w.origin("c").hang = hang }) // and nobody knows what this one would say
		w.with(func() { w.origin("b").hang = slow })
		d = w.watch(m)
		pass(500 * time.Millisecond)
		close(slow)
		pass(200 * time.Millisecond)
		want := []string{"1", "2", "3", "4"}
		wantValues(t, "a", w.got("a"), want...)
		wantValues(t, "b", w.got("b"), append(slices.Clone(want), "5")...)
		wantValues(t, "c, while its source is waited for", w.got("c"), want...)
		// Of the third nobody knows better: it is restored to what is known, as it would be after
		// somebody else changed it.
		pass(300 * time.Millisecond)
		wantValues(t, "c", w.got("c"), append(slices.Clone(want), "1")...)
		pass(time.Minute)
		wantValues(t, "a", w.got("a"), want...)
		wantValues(t, "b", w.got("b"), append(slices.Clone(want), "5")...)
		for _, name := range []string{"sink.sim.a", "sink.sim.b", "sink.sim.after_a", "sink.sim.after_b"} {
			d.awaitSink(name, engine.StateOK)
		}
	})
}

// T11: two daemons with states of their own write one file. Each is told of the other, which
// it leaves alone after some rounds; readers find the whole of one value or the other.
func TestWatchT11TwoDaemonsOneTarget(t *testing.T) {
	shared := filepath.Join(t.TempDir(), "out.txt")
	config := func(value string) string {
		return fmt.Sprintf("sink \"file\" \"out\" {\n  path    = %q\n  content = %q\n}\n", shared, value)
	}
	values := []string{strings.Repeat("one ", 5000), strings.Repeat("two ", 5000)}
	var daemons []*daemon
	for _, value := range values {
		daemons = append(daemons, newModule(t, "main.hcl", config(value)).watch())
	}
	over := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
			}
			if text, err := os.ReadFile(shared); err == nil && !slices.Contains(values, string(text)) {
				t.Errorf("a reader found %d bytes: %.20q", len(text), text)
				return
			}
		}
	})
	fights := func(d *daemon) bool { return d.sink("sink.file.out").State == engine.StateFighting }
	daemons[0].await("one of them leaves the other alone", func() bool { return fights(daemons[0]) || fights(daemons[1]) })
	loser, winner := daemons[0], daemons[1]
	if !fights(loser) {
		loser, winner = winner, loser
	}
	winner.await("the other has the target, or leaves it alone, too", func() bool {
		s := winner.sink("sink.file.out").State
		return s == engine.StateOK || s == engine.StateFighting
	})
	if s := loser.sink("sink.file.out"); !strings.Contains(s.Reason, "another writer") || s.Next.IsZero() {
		t.Errorf("%+v", s)
	}
	for i, d := range daemons {
		// Its first delivery, with its attempts, and five rounds.
		if n := len(events[engine.DeliveryStarted](d)); n > 20 {
			t.Errorf("daemon %d delivered %d times", i, n)
		}
	}
	close(over)
	reader.Wait()
	// When one of them goes the other has it, once it has calmed down or at its next change.
	loser.halt()
	winner.m.write("main.hcl", config(strings.Repeat("new ", 5000)))
	winner.mustReload()
	winner.await("the other delivers what is new", func() bool {
		text, err := os.ReadFile(shared)
		return err == nil && strings.HasPrefix(string(text), "new ")
	})
}

// E15: a daemon takes over the state that an older version left, and keeps a copy. A state of a
// newer version it refuses, with every byte of it and every target as they were.
func TestWatchE15UpgradeAndBack(t *testing.T) {
	for _, older := range []string{"v1", "v2"} {
		t.Run(older, func(t *testing.T) {
			m := newModule(t, "app.json", `{"v":1}`, "main.hcl", copyOfFile)
			unpackState(t, older, m.path(".tidegate"))
			s := m.serve()
			eventually(t, "it delivers\n"+s.log.String(), func() bool { text, _ := m.read("out.json"); return text == `{"v":1}` })
			s.stop(0)
			copies, err := filepath.Glob(m.path(".tidegate/state.db." + older + ".backup-*"))
			if err != nil || len(copies) != 1 {
				t.Errorf("copies of the older state: %q, %v", copies, err)
			}
			m.write("app.json", `{"v":2}`)
			m.sql("PRAGMA user_version = 99")
			before := tree(t, m.dir)
			finish(t, m.command("apply", "--watch")).want(t, 1, "newer version")
			after := tree(t, m.dir)
			for _, tree := range []map[string]string{before, after} {
				delete(tree, ".tidegate")
				delete(tree, ".tidegate/state.lock")
			}
			wantTree(t, "the older version", before, after)
			// Back to the older version with the copy that was kept.
			if err := os.Rename(copies[0], m.statePath()); err != nil {
				t.Fatal(err)
			}
			s = m.serve()
			eventually(t, "it delivers again\n"+s.log.String(), func() bool { text, _ := m.read("out.json"); return text == `{"v":2}` })
			s.stop(0)
		})
	}
}

// unpackState puts a state there that an older version made.
func unpackState(t *testing.T, version, dir string) {
	t.Helper()
	from := filepath.Join("state", "testdata", version)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open(filepath.Join(from, "state.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(from, "state.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"state.db": data, "state.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// E15: a daemon is restarted, as for an upgrade, while somebody sends. Whatever it answered with
// 200 is in use after the restart, and who is not answered and tries again loses nothing.
func TestWatchE15NoPushIsLostOverRestarts(t *testing.T) {
	m := newModule(t, "main.hcl", pushedToFile)
	s := m.serve("--listen", "127.0.0.1:0")
	address := s.address()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	var answered atomic.Int64
	var sender sync.WaitGroup
	sender.Go(func() {
		for v := int64(1); ctx.Err() == nil; v++ {
			for {
				code := postTo(ctx, client, address, fmt.Sprintf(`{"config_name":"app","config_data":{"v":%d}}`, v), fmt.Sprint("id", v))
				if code == http.StatusOK {
					answered.Store(v)
					break
				}
				if ctx.Err() != nil {
					return
				}
				if code != 0 && code != http.StatusServiceUnavailable {
					t.Errorf("value %d was answered with %d", v, code)
					return
				}
				time.Sleep(time.Millisecond)
			}
		}
	})
	for range 4 {
		before := answered.Load()
		eventually(t, "values are taken in", func() bool { return answered.Load() > before+20 })
		s.stop(0)
		last := answered.Load()
		s = m.serve("--listen", address)
		eventually(t, fmt.Sprintf("value %d, which was answered with 200, is in use\n%s", last, s.log), func() bool { return int64(m.v("out.json")) >= last })
	}
	cancel()
	sender.Wait()
	last := answered.Load()
	eventually(t, fmt.Sprintf("the last value %d is in use", last), func() bool { return int64(m.v("out.json")) >= last })
	s.stop(0)
}
