//go:build linux && amd64

package engine_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"debug/elf"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// clockFile names a file of eight bytes: the seconds by which the wall clock of the tool is
// wrong, as a number that may change at any moment.
const clockFile = "TIDEGATE_TEST_CLOCK"

// The clock is put wrong before anything asks for the time.
var _ = shiftClock(os.Getenv(clockFile))

// shiftClock replaces the function by which a process asks the kernel for the time (Go never
// asks otherwise) by one that adds to the wall clock what the file says. The clock that
// timers go by is as it was, as it is when an administrator, or a suspended machine, sets the
// clock. Nobody else on the machine notices.
func shiftClock(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	cell, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	code := []byte{
		0xb8, 228, 0, 0, 0, // mov eax, SYS_clock_gettime
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi: is it CLOCK_REALTIME?
		0x75, 0x10, // jnz to ret
		0x48, 0xba, // mov rdx, the address of the cell
	}
	code = binary.LittleEndian.AppendUint64(code, uint64(uintptr(unsafe.Pointer(&cell[0]))))
	code = append(code,
		0x48, 0x8b, 0x12, // mov rdx, [rdx]
		0x48, 0x01, 0x16, // add [rsi], rdx
		0xc3, // ret
	)
	if err := patchVDSO("__vdso_clock_gettime", code); err != nil {
		panic(err)
	}
	return nil
}

// patchVDSO overwrites the beginning of a function of the kernel's in this process.
func patchVDSO(name string, code []byte) error {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	var from, to uint64
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
				return err
			}
		}
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	image := make([]byte, to-from)
	if _, err := mem.ReadAt(image, int64(from)); err != nil {
		return err
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return err
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		if s.Name == name {
			_, err := mem.WriteAt(code, int64(from+s.Value))
			return err
		}
	}
	return fmt.Errorf("the kernel offers no %s", name)
}

// clock is the wall clock of a daemon.
type clock struct {
	t    *testing.T
	cell []byte
	by   time.Duration
}

func (m *module) clock() *clock {
	m.t.Helper()
	path := m.t.TempDir() + "/clock"
	if err := os.WriteFile(path, make([]byte, 8), 0o600); err != nil {
		m.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	cell, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = syscall.Munmap(cell) })
	m.environ = append(m.environ, clockFile+"="+path)
	return &clock{t: m.t, cell: cell}
}

// wrong sets the clock to so much before or after the right time.
func (c *clock) wrong(by time.Duration) {
	c.by = by
	atomic.StoreInt64((*int64)(unsafe.Pointer(&c.cell[0])), int64(by/time.Second))
}

func (c *clock) now() time.Time { return time.Now().Add(c.by) }

// signedPost sends a value by Standard Webhooks, signed at a time.
func signedPost(t *testing.T, address, secret, id, body string, at time.Time) (status int) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + body))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/webhook/config", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Webhook-Id": id, "Webhook-Timestamp": stamp,
		"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	} {
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// E6: the wall clock of a running daemon jumps, by an hour, over the end of summer time, by the
// eight hours of a suspended machine, by a year, to 1970, and back. It goes on looking,
// delivering, limiting and trying again as if nothing had happened: no burst, nothing that
// waits for the old time. What is signed, and certificates, go by the new time and say so.
func TestWatchE6ClockJumps(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	cert, ca := certificate(t, year/2)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Connection", "close") // certificates are looked at when a connection is made
		fmt.Fprint(w, `{"secure":1}`)
	}))
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes that fail
	secure.StartTLS()
	t.Cleanup(secure.Close)
	var asked, askedDown atomic.Int64
	var value atomic.Int64
	var healed atomic.Bool
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down.json" {
			askedDown.Add(1)
			if !healed.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		} else {
			asked.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"v":%d}`, value.Load())
	}))
	t.Cleanup(o.Close)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	m := newModule(t, "paused.json", `{"v":1}`, "main.hcl", fmt.Sprintf(`
detector "hash" "quick" {
  interval = "100ms"
  backoff { max = "300ms" }
}
rate_limit "sliding_window" "some" {
  max = 2
  per = "1s"
}
rate_limit "token_bucket" "steady" {
  rate  = 2
  per   = "1s"
  burst = 1
}
source "http" "app" {
  url       = "%[1]s/app.json"
  detectors = [detector.hash.quick]
}
source "http" "down" {
  url       = "%[1]s/down.json"
  detectors = [detector.hash.quick]
}
source "http" "secure" {
  url       = "%[2]s/"
  detectors = [detector.hash.quick]
  tls { ca_file = %[4]q }
}
source "file" "paused" { path = "paused.json" }
sink "file" "paused" {
  path    = "was_paused.json"
  content = jsonencode(source.file.paused.value)
}
source "webhook" "hook" { secrets = [%[3]q] }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.http.app.value)
}
sink "file" "down" {
  path    = "down.json"
  content = jsonencode(source.http.down.value)
}
sink "file" "secure" {
  path    = "secure.json"
  content = jsonencode(source.http.secure.value)
}
sink "file" "some" {
  path        = "some.json"
  content     = jsonencode(source.http.app.value)
  rate_limits = [rate_limit.sliding_window.some, rate_limit.token_bucket.steady]
}
sink "exec" "settles" {
  command = ["/bin/sh", "-c", "cp out.json settled.json"]
  triggers = [source.http.app]
  settle { min = "200ms" }
}
sink "file" "hook" {
  path    = "hook.json"
  content = jsonencode(source.webhook.hook.value)
}
`, o.URL, secure.URL, secret, ca))
	c := m.clock()
	s := m.serve("--listen", "127.0.0.1:0")
	address := s.address()
	wants := func(what, name string, v int64) {
		t.Helper()
		eventually(t, fmt.Sprintf("%s: %s has value %d\n%s", what, name, v, s.log), func() bool { return m.v(name) == int(v) })
	}
	wants("at the start", "settled.json", 0)
	eventually(t, "the secure server is asked", func() bool { text, _ := m.read("secure.json"); return text == `{"secure":1}` })
	wants("at the start", "was_paused.json", 1)
	m.tool("pause", "source.file.paused", "--for", "2h").want(t, 0)
	m.replace("paused.json", `{"v":2}`)
	toTheEnd := func(month time.Month) time.Duration { // of summer time, or its beginning
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			return time.Hour
		}
		return time.Until(time.Date(time.Now().Year()+1, month, 31, 2, 59, 59, 0, berlin)).Truncate(time.Second)
	}
	for i, jump := range []struct {
		what string
		by   time.Duration
	}{
		{"an hour on", time.Hour},
		{"an hour back", -time.Hour},
		{"eight hours of sleep", 8 * time.Hour},
		{"summer time ends", toTheEnd(time.October)},
		{"summer time begins", toTheEnd(time.March)},
		{"a year on", year},
		{"a year back", -year},
		{"1970", -time.Since(time.Unix(5, 0)).Truncate(time.Second)},
		{"the right time", 0},
	} {
		before, beforeDown, from := asked.Load(), askedDown.Load(), time.Now()
		c.wrong(jump.by)
		v := int64(i + 1)
		value.Store(v)
		for _, name := range []string{"out.json", "some.json", "settled.json"} {
			wants(jump.what, name, v)
		}
		for _, x := range []struct {
			what   string
			count  *atomic.Int64
			before int64
		}{{"a source", &asked, before}, {"a source that fails", &askedDown, beforeDown}} {
			eventually(t, jump.what+": "+x.what+" is asked on", func() bool { return x.count.Load() > x.before+5 })
			if n, most := x.count.Load()-x.before, int64(time.Since(from)/(85*time.Millisecond))+4; n > most {
				t.Errorf("%s: %s was asked %d times in %s", jump.what, x.what, n, time.Since(from))
			}
		}
		if jump.by == 8*time.Hour { // longer than the pause
			wants(jump.what, "was_paused.json", 2)
		} else if jump.by < 2*time.Hour && i < 2 {
			if text, _ := m.read("was_paused.json"); text != `{"v":1}` {
				t.Errorf("%s: the pause has ended", jump.what)
			}
		}
		body := fmt.Sprintf(`{"config_name":"hook","config_data":{"v":%d}}`, v)
		if d := jump.by.Abs(); d > time.Minute {
			if code := signedPost(t, address, secret, fmt.Sprint("late", i), body, time.Now()); code != http.StatusUnauthorized {
				t.Errorf("%s: what was signed %s away was answered with %d", jump.what, d, code)
			}
		}
		if code := signedPost(t, address, secret, fmt.Sprint("hook", i), body, c.now()); code != http.StatusOK {
			t.Errorf("%s: what was signed now was answered with %d", jump.what, code)
		}
		wants(jump.what, "hook.json", v)
		if want := map[time.Duration]string{year: "expired", -year: "not yet valid"}[jump.by]; want != "" {
			eventually(t, jump.what+": the certificate is told of as "+want, func() bool {
				return strings.Contains(m.tool("status").stdout, want)
			})
			m.wantFile("secure.json", `{"secure":1}`)
		}
	}
	healed.Store(true)
	value.Store(100)
	for _, name := range []string{"down.json", "out.json", "some.json", "settled.json"} {
		wants("after all", name, 100)
	}
	eventually(t, "the secure server is trusted again", func() bool {
		return !strings.Contains(m.tool("status").stdout, "certificate")
	})
	s.stop(0)
	m.tool("plan").want(t, 0, "No changes.")
}
