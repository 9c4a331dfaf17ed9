//go:build unix

package engine_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
)

func polled(url string) string {
	return fmt.Sprintf(`
source "http" "c" {
  url      = "%s/c.json"
  timeout  = "500ms"
  interval = "100ms"
}
sink "file" "c" {
  path    = "out.json"
  content = jsonencode(source.http.c.value)
}
`, url)
}

// H1, H6, H8, H13, H15, H16, H25, H26, H27, H28, R11: answers that are no value. What is in use
// stays, the state says why, a daemon lives, and the next good answer is used.
func TestWatchHTTPAnswersThatChangeNothing(t *testing.T) {
	for name, say := range map[string]func(net.Conn, *http.Request){
		"H1 connection closed":   func(c net.Conn, _ *http.Request) {},
		"H6 hangs":               hang,
		"H8 cut body":            raw("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 1000", `{"v":2}`),
		"H13 unknown encoding":   document(`{"v":2}`, "Content-Encoding: made-up"),
		"H15 204":                raw("HTTP/1.1 204 No Content\nConnection: close", ""),
		"H15 empty 200":          document(""),
		"H16 captive portal":     raw("HTTP/1.1 200 OK\nContent-Type: text/html\nConnection: close", "<html>Log in</html>"),
		"H25 401":                raw("HTTP/1.1 401 Unauthorized\nConnection: close", ""),
		"H26 404":                raw("HTTP/1.1 404 Not Found\nConnection: close", ""),
		"H26 410":                raw("HTTP/1.1 410 Gone\nConnection: close", ""),
		"H27 500":                raw("HTTP/1.1 500 Oops\nConnection: close", ""),
		"H28 reset":              reset,
		"C9 empty object":        document("{}"),
		"C10 two documents":      document(`{"v":2}{"v":3}`),
		"H14 304 out of nothing": raw("HTTP/1.1 304 Not Modified\nConnection: close", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTalker(t, document(`{"v":1}`))
			m := newModule(t, "main.hcl", polled(s.url))
			d := m.watch()
			d.awaitFile("out.json", `{"v":1}`)
			s.from(say)
			d.await("it is noticed", func() bool {
				state := d.source("source.http.c").State
				return state == engine.StateFailing || state == engine.StateRejected || state == engine.StateDegraded
			})
			if reason := d.source("source.http.c").Reason; reason == "" {
				t.Error("there is no reason")
			}
			m.wantFile("out.json", `{"v":1}`)
			s.from(document(`{"v":4}`))
			d.awaitFile("out.json", `{"v":4}`)
			d.awaitSource("source.http.c", engine.StateOK)
		})
	}
}

// H18, H17: the ETag flaps between replicas over equal bytes. Nothing is accepted or delivered.
func TestWatchH18FlappingETag(t *testing.T) {
	n := 0
	s := newTalker(t, nil)
	s.from(func(c net.Conn, r *http.Request) {
		s.mutex.Lock()
		n++
		etag := []string{`"a"`, `W/"b"`, `"c"`}[n%3]
		s.mutex.Unlock()
		conditional(`{"v":1}`, etag)(c, r)
	})
	m := newModule(t, "main.hcl", polled(s.url)+`
sink "exec" "run" {
  command  = ["/bin/sh", "-c", "echo ran >>runs"]
  triggers = [source.http.c]
}`)
	d := m.watch()
	d.awaitFile("runs", "ran\n")
	looks := d.source("source.http.c").Looks
	d.await("some more looks", func() bool { return d.source("source.http.c").Looks > looks+12 })
	if n := len(events[engine.Accepted](d)); n != 1 {
		t.Errorf("%d values were accepted", n)
	}
	m.wantFile("runs", "ran\n")
	if s := d.source("source.http.c"); s.State != engine.StateOK || s.Changes != 1 {
		t.Errorf("%+v", s)
	}
}

// H14, T7: the stored bytes are gone while the origin answers that nothing changed. They are had
// again without a validator, and the sink stays as it is meanwhile.
func TestWatchH14NotModifiedWithoutStoredBytes(t *testing.T) {
	for name, damage := range map[string]string{
		"gone":    "DELETE FROM blobs",
		"damaged": "UPDATE blobs SET data = x'00112233'",
	} {
		t.Run(name, func(t *testing.T) {
			s := newTalker(t, conditional(`{"v":1}`, `"v1"`))
			m := newModule(t, "main.hcl", polled(s.url))
			d := m.watch()
			d.awaitFile("out.json", `{"v":1}`)
			d.awaitSink("sink.file.c", engine.StateOK)
			d.halt()
			m.sql(damage)
			d = m.watch()
			looks := d.source("source.http.c").Looks
			d.await("some looks", func() bool { return d.source("source.http.c").Looks > looks+5 })
			m.wantFile("out.json", `{"v":1}`)
			d.awaitSource("source.http.c", engine.StateOK)
			d.awaitSink("sink.file.c", engine.StateOK)
			// It can be used for a new sink, too.
			d.useAnew(`{"v":1}`)
		})
	}
}

// P1, P2, P3, P6: one delivery has one key however often it is sent, whatever the answer was, and
// the next one has another.
func TestWatchP1P2OneKeyForOneDelivery(t *testing.T) {
	for name, reply := range map[string]func(n int, w http.ResponseWriter, r *http.Request){
		"P1 500 500 200": func(n int, w http.ResponseWriter, _ *http.Request) {
			if n%3 != 0 {
				w.WriteHeader(500)
			}
		},
		"P2 processed, but too late": func(n int, w http.ResponseWriter, r *http.Request) {
			if n%2 != 0 {
				<-r.Context().Done()
			}
		},
		"P3 409": func(n int, w http.ResponseWriter, _ *http.Request) {
			if n%2 != 0 {
				w.WriteHeader(409)
			}
		},
		"P5 429": func(n int, w http.ResponseWriter, _ *http.Request) {
			if n%2 != 0 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(429)
			}
		},
		"P6 redirect": func(n int, w http.ResponseWriter, r *http.Request) {
			if n%2 != 0 {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHook(t, reply)
			m := newModule(t, "v.txt", "1", "main.hcl", fmt.Sprintf(`
source "file" "v" { path = "v.txt" }
sink "http" "hook" {
  url     = "%s/hook"
  body    = source.file.v.text
  timeout = "200ms"
  retry {
    attempts = 2
    min      = "1ms"
    max      = "5ms"
  }
}
sink "file" "after" {
  path       = "after.txt"
  content    = source.file.v.text
  depends_on = [sink.http.hook]
}`, h.url))
			d := m.watch()
			for v := 1; v < 3; v++ {
				m.replace("v.txt", fmt.Sprint(v))
				d.awaitFile("after.txt", fmt.Sprint(v))
			}
			d.awaitSink("sink.http.hook", engine.StateOK)
			keys := map[string]string{}
			for _, x := range h.received() {
				if k, ok := keys[x.body]; ok && k != x.key {
					t.Errorf("%q was sent under two keys", x.body)
				}
				keys[x.body] = x.key
			}
			if len(keys) != 2 || keys["1"] == keys["2"] || keys["1"] == "" {
				t.Errorf("the keys are %q", keys)
			}
		})
	}
}

// E8: a server that sends a byte now and then keeps nobody waiting, and costs one connection.
func TestWatchE8SlowServer(t *testing.T) {
	t.Parallel()
	slow := newTalker(t, slowBody)
	quick := newOrigin(t, `{"v":1}`, `"1"`)
	m := newModule(t, "main.hcl", polled(quick.URL)+
		strings.NewReplacer(`"c"`, `"slow"`, "source.http.c.", "source.http.slow.", "out.json", "slow.json", `"500ms"`, `"10m"`).Replace(polled(slow.url)))
	d := m.watch()
	for v := 2; v < 6; v++ {
		begun := time.Now()
		quick.set(fmt.Sprintf(`{"v":%d}`, v), fmt.Sprintf(`"%d"`, v), 200)
		d.awaitFile("out.json", fmt.Sprintf(`{"v":%d}`, v))
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("value %d took %s", v, took)
		}
	}
	d.awaitSink("sink.file.slow", engine.StateBlocked)
}

// useAnew declares another sink made from source.http.c, and waits until it holds this.
func (d *daemon) useAnew(want string) {
	d.m.t.Helper()
	text, _ := d.m.read("main.hcl")
	d.m.write("main.hcl", text+`
sink "file" "new" {
  path    = "new.json"
  content = jsonencode(source.http.c.value)
}`)
	if err := d.Reload(d.m.t.Context()); err != nil {
		d.m.t.Fatal(err)
	}
	d.awaitFile("new.json", want)
}
