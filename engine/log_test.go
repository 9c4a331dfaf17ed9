package engine

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

var (
	loggedSource = address.Of(address.Source, "http", "app")
	loggedSink   = address.Of(address.Sink, "file", "app")
)

// logged returns the line that an event makes at the level info, without time and name.
func logged(ev Event, json bool) string {
	var b bytes.Buffer
	logEvent(hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: &b, DisableTime: true, JSONFormat: json}), ev)
	return strings.TrimSpace(b.String())
}

func TestLogLines(t *testing.T) {
	hash := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct {
		ev   Event
		want string // "" for no line
	}{
		{Accepted{Address: loggedSource, Version: hash}, "[INFO]  value accepted: address=source.http.app version=sha256:0123456789ab"},
		{Accepted{Address: loggedSource, Version: "hmac-" + hash}, "[INFO]  value accepted: address=source.http.app version=hmac-sha256:0123456789ab"},
		{DeliveryFinished{Address: loggedSink, Action: plan.Update, Target: "/x", Elapsed: 1234567}, "[INFO]  delivery finished: address=sink.file.app action=update target=/x elapsed=1.2ms"},
		{DeliveryFinished{Address: loggedSink, Action: plan.Update, Target: "/x", Repair: true}, "[INFO]  target repaired: address=sink.file.app action=update target=/x elapsed=0ms"},
		{DeliveryFinished{Address: loggedSink, Action: plan.Adopt, Target: "/x"}, "[INFO]  target adopted: address=sink.file.app action=adopt target=/x"},
		{DeliveryFinished{Address: loggedSink, Action: plan.Delete, Target: "/x", Elapsed: 800 * time.Microsecond}, "[INFO]  target deleted: address=sink.file.app action=delete target=/x elapsed=0.8ms"},
		{DeliveryRetried{Address: loggedSink, Attempt: 1, Err: "busy", Wait: 200 * time.Millisecond}, "[WARN]  delivery failed and is tried again: address=sink.file.app attempt=1 error=busy wait=200ms"},
		{DeliveryRetried{Address: loggedSink, Attempt: 2, Err: "busy"}, ""},
		{SinkState{Address: loggedSink, From: StateOK, To: StatePaused}, ""},
		{DeliveryFinished{Address: loggedSink, Action: plan.Forget, Target: "/x"}, "[INFO]  sink forgotten: address=sink.file.app action=forget target=/x"},
		{
			DeliveryFinished{Address: loggedSink, Action: plan.Update, Target: "/x", Err: "disk full", Elapsed: 2 * time.Second},
			`[ERROR] delivery failed: address=sink.file.app action=update target=/x error="disk full" elapsed=2s`,
		},
		{SourceState{Address: loggedSource, From: StateWaiting, To: StateOK}, ""},
		{SourceState{Address: loggedSource, From: StateOK, To: StateRejected, Reason: "no"}, ""},
		{SourceState{Address: loggedSource, From: StateOK, To: StatePaused}, ""},
		{SourceState{Address: loggedSource, From: StatePaused, To: StateWaiting}, ""},
		{SourceState{Address: loggedSource, From: StateFailing, To: StateOK}, "[INFO]  source is well again: address=source.http.app from=failing to=ok"},
		{SourceState{Address: loggedSource, From: StateFailing, To: StateDegraded, Reason: "503"}, "[ERROR] source is degraded: address=source.http.app from=failing to=degraded reason=503"},
		{PauseChanged{Pause: Pause{Pattern: "source.*", Until: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)}}, "[INFO]  paused: pattern=\"source.*\" until=2026-03-01T12:00:00Z"},
		{LookFinished{Address: loggedSource}, ""},
		{LookStarted{Address: loggedSource}, ""},
	} {
		if got := logged(c.ev, false); got != c.want {
			t.Errorf("%#v:\n%s, want\n%s", c.ev, got, c.want)
		}
	}
	if line := logged(Accepted{Address: loggedSource, Version: hash}, true); !strings.Contains(line, `"version":"`+hash+`"`) {
		t.Errorf("the version is cut in JSON: %s", line)
	}
}
