package cli_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// watch starts the daemon of an example and waits until it is ready.
func (e *example) watch(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, e.dir, nil, append(append([]string{"apply", "--watch"}, args...), e.flags...)...)
	p.says(t, "every source was tried")
	return p
}

// holds waits until a file of the example has the content.
func (e *example) holds(t *testing.T, p *process, name, want string) {
	t.Helper()
	p.eventually(t, name+" holds "+want, func() bool {
		data, _ := os.ReadFile(e.path(name))
		return string(data) == want
	})
}

// asks runs a command about the example's daemon.
func (e *example) asks(t *testing.T, args ...string) string {
	t.Helper()
	code, out := tidegate(t, append([]string{"--chdir", e.dir}, args...)...)
	if code != 0 {
		t.Fatalf("%q: exit code %d\n%s", args, code, out)
	}
	return out
}

const watched = `{"api_url":"https://api.example.com","log_level":"info","timeout_seconds":%d}`

func tryWatch(t *testing.T, e *example) {
	good := e.read(t, "site.json")
	timeout := func(n int) string { return strings.Replace(good, "10", fmt.Sprint(n), 1) }
	reloads := func() int { return strings.Count(e.read(t, "out/reload.log"), "\n") }
	p := e.watch(t)
	before := reloads()

	// A burst of changes is one reload, with the last of them.
	for n := 20; n < 30; n++ {
		e.write(t, "site.json", timeout(n))
		time.Sleep(10 * time.Millisecond)
	}
	e.holds(t, p, "out/settings.json", fmt.Sprintf(watched, 29))
	p.eventually(t, "a reload", func() bool { return reloads() > before })
	if n := reloads(); n != before+1 {
		t.Errorf("%d reloads for a burst\n%s", n-before, p.out.String())
	}

	// A rejected value is told once and changes nothing.
	e.write(t, "site.json", timeout(900))
	p.says(t, `candidate rejected: address=source\.file\.site .*got 900`)
	if out := e.asks(t, "status"); !strings.Contains(out, "1 rejected, 1 ok") || !strings.Contains(out, "got 900.") {
		t.Error(out)
	}
	// A file that vanished is no empty value.
	e.remove(t, "site.json")
	p.says(t, `source has a problem: address=source\.file\.site`)
	e.holds(t, p, "out/settings.json", fmt.Sprintf(watched, 29))
	e.write(t, "site.json", timeout(40))
	e.holds(t, p, "out/settings.json", fmt.Sprintf(watched, 40))

	// An edit behind its back, and a missing target.
	p.eventually(t, "everything is delivered", func() bool { return strings.Contains(e.asks(t, "status"), "2 sinks: 2 ok") })
	e.write(t, "out/settings.json", "mine")
	e.holds(t, p, "out/settings.json", fmt.Sprintf(watched, 40))
	p.says(t, `target repaired: address=sink\.file\.settings`)
	e.remove(t, "out/settings.json")
	e.holds(t, p, "out/settings.json", fmt.Sprintf(watched, 40))

	// A pause holds back, and what came meanwhile is delivered.
	e.asks(t, "pause", "sink.file.settings", "--for", "10m")
	e.write(t, "site.json", timeout(50))
	p.eventually(t, "the value is accepted", func() bool { return strings.Count(p.out.String(), "value accepted: address=source.file.site") >= 3 })
	e.holds(t, p, "out/settings.json", fmt.Sprintf(watched, 40))
	e.asks(t, "resume", "sink.file.settings")
	e.holds(t, p, "out/settings.json", fmt.Sprintf(watched, 50))

	// A mistake in the configuration changes nothing.
	hcl := e.read(t, "main.hcl")
	e.write(t, "main.hcl", hcl+"mistake {\n")
	p.says(t, `configuration is broken and the old one goes on: .*main\.hcl:\d+`)
	e.write(t, "main.hcl", hcl)

	// Killed and started again, it goes on.
	_ = p.Process.Kill()
	_ = p.Wait()
	e.write(t, "site.json", timeout(60))
	e.remove(t, "out/settings.json")
	p = e.watch(t)
	e.holds(t, p, "out/settings.json", fmt.Sprintf(watched, 60))
	last := reloads()
	p.eventually(t, "the reload after it", func() bool {
		return strings.Contains(e.asks(t, "status"), "2 sinks: 2 ok") && reloads() >= last
	})
	p.stops(t)
}

const exampleSecret = "an-example-of-a-secret-0123456789"

func hookSecret(*testing.T, *example) []string {
	return []string{"--var", "hook_secret=" + exampleSecret}
}

func tryWebhook(t *testing.T, e *example) {
	p := e.watch(t, "--listen", "127.0.0.1:0")
	e.holds(t, p, "out/flags.json", `{"dark_mode":false}`)
	address := regexp.MustCompile(`listener is open: address=(\S+)`).FindStringSubmatch(p.out.String())
	if address == nil {
		t.Fatal(p.out.String())
	}
	url := "http://" + address[1]
	push := func(secret, data string) (int, string) {
		t.Helper()
		body := `{"config_name": "feature-flags", "config_data": ` + data + `}`
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = mac.Write([]byte(body))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/webhook/config", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if code, text := push(exampleSecret, `{"dark_mode": true}`); code != http.StatusOK || !strings.Contains(text, "accepted") {
		t.Errorf("%d %s", code, text)
	}
	e.holds(t, p, "out/flags.json", `{"dark_mode":true}`)
	if code, text := push("another-secret-of-enough-bytes", `{}`); code != http.StatusUnauthorized {
		t.Errorf("%d %s", code, text)
	}
	if code, text := push(exampleSecret, `{"dark_mode": "perhaps"}`); code != http.StatusUnprocessableEntity || !strings.Contains(text, "must be true or false") {
		t.Errorf("%d %s", code, text)
	}
	e.pushAsDocumented(t, p, url)
	e.holds(t, p, "out/flags.json", `{"beta":false,"dark_mode":true}`)
	if code, text := push(exampleSecret, `{"dark_mode": true, "beta": false}`); code != http.StatusOK || !strings.Contains(text, "unchanged") {
		t.Errorf("%d %s", code, text)
	}

	// What was answered with 200 survives.
	if code, text := push(exampleSecret, `{"dark_mode": false, "beta": true}`); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	_ = p.Process.Kill()
	_ = p.Wait()
	_ = os.Remove(e.path("out/flags.json"))
	p = e.watch(t, "--listen", "127.0.0.1:0")
	e.holds(t, p, "out/flags.json", `{"beta":true,"dark_mode":false}`)
	p.stops(t)
	if strings.Contains(p.out.String(), exampleSecret) {
		t.Error("the secret is in the log")
	}
}

// pushAsDocumented runs the commands of the example's page.
func (e *example) pushAsDocumented(t *testing.T, p *process, url string) {
	t.Helper()
	for _, program := range []string{"sh", "openssl", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Log(err)
			return
		}
	}
	blocks := fences(e.read(t, "README.md"), "sh")
	if len(blocks) != 1 {
		t.Fatalf("%d blocks", len(blocks))
	}
	cmd := exec.Command("sh", "-c", blocks[0])
	cmd.Env = append(os.Environ(), "TIDEGATE_URL="+url, "TIDEGATE_VAR_hook_secret="+exampleSecret)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `"accepted"`) {
		t.Errorf("%v %s\n%s", err, out, p.out.String())
	}
}

// The unit is one that systemd understands, is as tight as it claims, and uses flags that exist.
func trySystemd(t *testing.T, e *example) {
	unit := e.path("tidegate.service")
	text := readText(t, unit)
	line := regexp.MustCompile(`(?m)^ExecStart=\S*tidegate (.*)$`).FindStringSubmatch(text)
	if line == nil {
		t.Fatal("the unit starts nothing")
	}
	_, help := tidegate(t, "apply", "--help")
	for _, word := range strings.Fields(line[1]) {
		if flag, _, _ := strings.Cut(word, "="); strings.HasPrefix(flag, "--") && !strings.Contains(help, flag) {
			t.Errorf("there is no flag %s", flag)
		}
	}
	e.says(t, 0, "Success! The configuration is valid.", "validate")
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	// The program must exist where the unit says, so a copy says where it is.
	program, err := exec.LookPath("tidegate")
	if err != nil {
		t.Fatal(err)
	}
	e.write(t, "tidegate.service", strings.ReplaceAll(text, "/usr/local/bin/tidegate", program))
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "tidegate.service:") && !newerSystemd(string(out)) {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", unit).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out[max(0, len(out)-2000):])
	}
}

// newerSystemd reports whether all that is complained about are settings of a newer systemd.
func newerSystemd(out string) bool {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "tidegate.service:") && !strings.Contains(line, "'RestartSteps'") &&
			!strings.Contains(line, "'RestartMaxDelaySec'") {
			return false
		}
	}
	return true
}

// The README shows the log of the daemon: the messages and addresses, in their order.
func TestReadmeShowsTheDaemon(t *testing.T) {
	blocks := fences(readText(t, filepath.Join(moduleRoot, "README.md")), "console daemon")
	if len(blocks) != 1 {
		t.Fatalf("%d blocks", len(blocks))
	}
	e := copyExample(t, "watch")
	p := e.watch(t)
	p.eventually(t, "the first reload", func() bool { return there(e.path("out/reload.log")) })
	p.says(t, "delivery finished: address=sink.exec.reload")
	e.write(t, "out/settings.json", "mine")
	p.says(t, "target repaired")
	p.signal(t, syscall.SIGTERM)
	p.ends(t, 0)
	said := regexp.MustCompile(`\[[A-Z]+\] +tidegate: ([^:]*): address=(\S+)`)
	for _, m := range said.FindAllStringSubmatch(blocks[0], -1) {
		if want := m[1] + ": address=" + m[2]; !strings.Contains(p.out.String(), want) {
			t.Errorf("the README shows %q, the daemon says:\n%s", want, p.out.String())
		}
	}
	if n := len(said.FindAllString(blocks[0], -1)); n < 4 {
		t.Errorf("the README shows %d lines of the log", n)
	}
}
