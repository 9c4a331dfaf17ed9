package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/hclspec/address"
)

func sampleDaemonStatus() *engine.Status {
	at := func(d time.Duration) time.Time { return day.Add(d) }
	hash := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	return &engine.Status{
		Version: "0.1.0", PID: 4711, Started: at(-41*24*time.Hour - 3*time.Hour), Time: day, Dir: "/etc/tidegate",
		State: "/var/lib/tidegate/state.db", StateError: "no space left on device", Configuration: hash, Listener: "127.0.0.1:8420",
		Reload: engine.ReloadStatus{Time: at(-2 * time.Minute), Count: 4, Failed: 1, Error: "main.hcl:3: Unsupported block type"},
		Ready:  true, Queue: 2,
		Sources: []*engine.SourceStatus{
			{Address: source("file", "defaults"), State: engine.StateOK, Version: hash, LastSuccess: at(-12 * time.Second), NextLook: at(48 * time.Second)},
			{
				Address: source("http", "app"), State: engine.StateDegraded, Reason: "GET https://config.example.com: status 503", Version: `"v2"`, Failures: 7,
				LastSuccess: at(-2*time.Hour - 5*time.Minute), LastError: "GET https://config.example.com: status 503", LastErrorTime: at(-time.Second), NextLook: at(100 * time.Millisecond),
			},
			{Address: source("webhook", "flags"), State: engine.StateWaiting, Reason: "waiting for first push"},
			{Address: source("http", "evil"), State: engine.StateRejected, Reason: "the name is \x1b[31mred\nand two lines", LastSuccess: at(-3 * time.Minute)},
			{Address: source("http", "once"), State: engine.StateOK, LastError: "an old story", LastErrorTime: at(-time.Hour), LastSuccess: at(-time.Minute), CertificateEnds: at(48 * time.Hour)},
		},
		Sinks: []*engine.SinkStatus{
			{Address: sink("exec", "reload"), State: engine.StateBlocked, Reason: "sink.file.app failed: " + hash},
			{Address: sink("file", "app"), State: engine.StateFailed, Reason: "disk full", LastError: "disk full", Revision: 1234, LastSuccess: at(-26 * time.Hour), Next: at(3 * time.Second)},
		},
		Checks: []*engine.CheckStatus{
			{Address: address.Of(address.Check, "", "fresh"), Status: "fail", Findings: []string{"The value is \x1b[31mstale.", "Nobody answers."}},
			{Address: address.Of(address.Check, "", "fine"), Status: "pass"},
			{Address: address.Of(address.Check, "", "later"), Status: "unknown", Findings: []string{"assertion 1 cannot be judged: source.http.app has no value"}},
		},
		Pauses: []*engine.Pause{
			{Pattern: "source.http.*", Since: at(-time.Hour), Until: at(time.Hour), Reason: "maintenance"},
			{Pattern: "sink.file.app", Since: at(-time.Minute)},
		},
		Approvals: []*engine.Approval{{Address: sink("file", "old"), Target: "/etc/old", Since: at(-time.Hour)}},
	}
}

func TestStatus(t *testing.T) {
	for name, s := range map[string]Style{"status.txt": {}, "status_color.txt": {Color: true, Width: 60}} {
		var b bytes.Buffer
		if err := Status(&b, sampleDaemonStatus(), StatusRows, s); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}

// A status without anything in it has lists all the same, and says so.
func TestStatusOfNothing(t *testing.T) {
	var text, doc bytes.Buffer
	st := &engine.Status{Reload: engine.ReloadStatus{Success: true}}
	if err := Status(&text, st, StatusRows, Style{}); err != nil || !strings.Contains(text.String(), "No sources.\n\nNo sinks.\n") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := StatusJSON(&doc, st); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(doc.Bytes(), &got); err != nil || got["sources"] == nil || got["sinks"] == nil {
		t.Errorf("%v\n%s", err, doc.String())
	}
}

// Of thousands those with a problem are shown, and the others counted.
func TestStatusOfMany(t *testing.T) {
	st := &engine.Status{Reload: engine.ReloadStatus{Success: true}, Time: day}
	for i := range 5000 {
		s := &engine.SourceStatus{Address: address.Of(address.Source, "http", fmt.Sprintf("s%d", i)), State: engine.StateOK}
		if i%1000 == 999 {
			s.State, s.Reason = engine.StateDegraded, "status 503"
		}
		st.Sources = append(st.Sources, s)
	}
	var b bytes.Buffer
	if err := Status(&b, st, StatusRows, Style{}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"5,000 sources: 5 degraded, 4,995 ok\n", "  source.http.s999   degraded", "... and 4,950 more (4,950 ok); --all lists them\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n > 70 {
		t.Errorf("%d lines", n)
	}
	b.Reset()
	if err := Status(&b, st, 0, Style{}); err != nil || strings.Count(b.String(), "\n") < 5005 {
		t.Errorf("%v, %d lines of all", err, strings.Count(b.String(), "\n"))
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 12 * time.Second: "12s", 90 * time.Second: "1m", 2 * time.Hour: "2h", 125 * time.Minute: "2h 5m", 99 * time.Hour: "4d 3h",
		59*time.Second + 600*time.Millisecond: "1m",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
