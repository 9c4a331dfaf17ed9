//go:build unix

package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/engine"
)

const secretPushes = `
tidegate {
  listener { address = "127.0.0.1:0" }
}
rate_limit "sliding_window" "hourly" {
  max = 1
  per = "1h"
}
rule "assert" "sane" {
  assertion {
    condition     = length(value.password) > 8
    error_message = "The password ${value.password} of ${meta.version} is too short."
  }
}
source "webhook" "app" {
  sensitive    = true
  bearer_token = "the-token-of-the-sender"
  rules        = [rule.assert.sane]
  rate_limits  = [rate_limit.sliding_window.hourly]
}
source "file" "other" {
  path      = "other.json"
  sensitive = true
  push {
    bearer_token = "the-token-of-the-sender"
  }
}
source "webhook" "all" {
  config_name  = "*"
  sensitive    = true
  bearer_token = "the-token-of-the-sender"
  rate_limits  = [rate_limit.sliding_window.hourly]
}
sink "file" "app" {
  path    = "out/app.json"
  content = jsonencode(source.webhook.app.value)
}
sink "file" "all" {
  path    = "out/all.json"
  content = jsonencode([source.webhook.all.value, source.file.other.value])
}
sink "exec" "app" {
  command = ["sh", "-c", "cat >/dev/null; echo failed >&2; exit 3"]
  stdin   = source.webhook.app.value.password
  retry {
    attempts = 1
  }
}
output "app" {
  value     = source.webhook.app.value
  sensitive = true
}
`

// A value that is sent to a sensitive source is in no file of the state, whatever becomes of it:
// accepted, waiting, rejected, delivered, failed; neither are its digests, by which it could be
// guessed. Nothing that the daemon says shows it, and a kill changes nothing about that.
func TestWatchSecretPushesAreNowhereInClear(t *testing.T) {
	m := newModule(t, "main.hcl", secretPushes, "other.json", `{"password":"canary-polled-of-file"}`, "out/.keep", "")
	s := m.serve()
	address := s.address()
	eventually(t, "it runs", func() bool { return answers(t, address, "/readyz") == 200 })
	hidden := map[string][]byte{}
	hide := func(what, text string) {
		sum := sha256.Sum256([]byte(text))
		hidden[what], hidden[what+" in base64"] = []byte(text), []byte(base64.StdEncoding.EncodeToString([]byte(text)))
		hidden["the digest of "+what], hidden["the digest in hex of "+what] = sum[:], []byte(hex.EncodeToString(sum[:]))
	}
	hide("the file", `{"password":"canary-polled-of-file"}`)
	hide("the password of the file", "canary-polled-of-file")
	send := func(name, password, id string, want int) {
		t.Helper()
		data := fmt.Sprintf(`{"password":%q}`, password)
		body := fmt.Sprintf(`{"config_name":%q,"config_data":%s}`, name, data)
		hide("the body of "+password, body)
		hide("the data of "+password, data)
		hide(password, password)
		hide("the id of "+password, id)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/webhook/config", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer the-token-of-the-sender")
		r.Header.Set("Webhook-Id", id)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s is answered %d %s, %v", password, resp.StatusCode, text, err)
		}
		for what, secret := range hidden {
			if bytes.Contains(text, secret) {
				t.Errorf("the answer shows %s: %s", what, text)
			}
		}
	}
	events := m.follow(address)
	// The first of each is accepted, the second waits for the limit, the third is rejected.
	send("app", "canary-accepted", "canary-id-1", 200)
	eventually(t, "the first is delivered", func() bool { text, _ := m.read("out/app.json"); return strings.Contains(text, "canary-accepted") })
	send("app", "canary-waiting", "canary-id-2", 200)
	send("app", "canary", "canary-id-3", 422)
	send("other", "canary-sent-to-file", "canary-id-4", 200)
	send("any", "canary-of-any-name", "canary-id-5", 200)
	send("more", "canary-of-another-name", "canary-id-6", 200)
	eventually(t, "what was sent is delivered", func() bool {
		text, _ := m.read("out/all.json")
		return strings.Contains(text, "canary-of-any-name") && strings.Contains(text, "canary-sent-to-file")
	})
	s.says("source waits", "delivery failed")

	search := func(when string) {
		t.Helper()
		names := 0
		err := filepath.WalkDir(m.path(".tidegate"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			names++
			data, err := os.ReadFile(path)
			for what, secret := range hidden {
				if bytes.Contains(data, secret) {
					t.Errorf("%s: %s holds %s", when, filepath.Base(path), what)
				}
			}
			return err
		})
		if err != nil || names < 3 {
			t.Errorf("%s: %d files, %v", when, names, err)
		}
	}
	say := func(when, where, text string) {
		t.Helper()
		if text == "" {
			t.Errorf("%s: %s says nothing", when, where)
		}
		for what, secret := range hidden {
			if strings.Contains(text, string(secret)) {
				t.Errorf("%s: %s shows %s:\n%s", when, where, what, text)
			}
		}
	}
	told := func(when string) {
		t.Helper()
		for _, command := range [][]string{{"status"}, {"status", "--json"}, {"history"}, {"history", "--json"}, {"state", "pull"}, {"output"}, {"plan"}, {"plan", "--json"}, {"graph", "--format", "json"}} {
			r := m.tool(command...)
			say(when, strings.Join(command, " "), r.stdout+r.stderr)
		}
		say(when, "the log", s.log.String())
	}
	search("while it runs")
	told("while it runs")
	for _, page := range []string{"/", "/metrics", "/api/v1/status", "/api/v1/history", "/api/v1/graph"} {
		say("while it runs", page, m.page(address, page))
	}
	say("while it runs", "/api/v1/events", events())

	s.kill()
	search("after the kill")
	told("after the kill")
	s = m.serve()
	address = s.address()
	eventually(t, "it runs again", func() bool { return answers(t, address, "/readyz") == 200 })
	send("app", "canary-waiting", "canary-id-2", 200) // it is known
	send("app", "canary-other", "canary-id-2", 409)
	search("after the restart")
	told("after the restart")
}

// A value that waits is encrypted once its source is said to be sensitive, by a reload or before a
// start.
func TestWatchWaitingPushIsSealedOnceItsSourceIsSensitive(t *testing.T) {
	config := func(more string) string {
		return `
rate_limit "sliding_window" "hourly" {
  max = 1
  per = "1h"
}
source "webhook" "app" {
  rate_limits = [rate_limit.sliding_window.hourly]
` + more + `
}`
	}
	holds := func(m *module) bool {
		t.Helper()
		data, err := os.ReadFile(m.path(engine.DefaultState))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(data, []byte("canary-waiting"))
	}
	for name, reload := range map[string]bool{"by a reload": true, "before a start": false} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", config(""))
			d := m.watch()
			d.push("app", `{"v":1}`, "")
			d.awaitSource("source.webhook.app", engine.StateOK)
			d.push("app", `{"v":"canary-waiting"}`, "")
			d.awaitSource("source.webhook.app", engine.StateDeferred)
			if !reload {
				d.halt()
				if !holds(m) {
					t.Fatal("it is nowhere")
				}
			}
			m.write("main.hcl", config("sensitive = true"))
			if reload {
				d.mustReload()
			} else {
				d = m.watch()
			}
			d.awaitSource("source.webhook.app", engine.StateDeferred)
			d.halt()
			if holds(m) {
				t.Error("it is in the state in clear")
			}
			d = m.watch() // and is not lost
			d.awaitSource("source.webhook.app", engine.StateDeferred)
		})
	}
}

// page returns what a daemon's listener answers.
func (m *module) page(address, page string) string {
	m.t.Helper()
	resp, err := http.Get("http://" + address + page)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		m.t.Errorf("%s: %d, %v", page, resp.StatusCode, err)
	}
	return string(text)
}

// follow reads the events of a daemon. What it returns ends that, and returns them.
func (m *module) follow(address string) func() string {
	m.t.Helper()
	ctx, stop := context.WithCancel(m.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/v1/events", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	text := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		text <- string(all)
	}()
	return func() string {
		stop()
		return <-text
	}
}
