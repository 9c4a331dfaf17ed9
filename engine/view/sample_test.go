package view

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

var update = flag.Bool("update", false, "write the golden files anew")

// canary stands for every secret; it may appear in no rendering.
const canary = "canary-hunter2"

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func secret() cty.Value { return cty.StringVal(canary).Mark(mark.Sensitive) }

func source(kind, name string) address.Address { return address.Of(address.Source, kind, name) }

func sink(kind, name string) address.Address { return address.Of(address.Sink, kind, name) }

func object(kv ...any) cty.Value {
	m := map[string]cty.Value{}
	for i := 0; i < len(kv); i += 2 {
		switch v := kv[i+1].(type) {
		case cty.Value:
			m[kv[i].(string)] = v
		case string:
			m[kv[i].(string)] = cty.StringVal(v)
		case int:
			m[kv[i].(string)] = cty.NumberIntVal(int64(v))
		}
	}
	return cty.ObjectVal(m)
}

func lines(old, new string) *diff.Lines {
	l := diff.LineDiff([]byte(old), []byte(new), 3)
	return &l
}

const (
	oldConfig = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"timeout\": 30\n}\n"
	newConfig = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"timeout\": 60\n}\n"
)

// fullPlan holds one of everything.
func fullPlan() *plan.Plan {
	return &plan.Plan{
		FormatVersion: plan.FormatVersion, ToolVersion: "0.1.0", Time: day, Dir: "/srv/app", Lineage: "l", Serial: 7,
		Sources: sampleSources(), Sinks: sampleSinks(), Outputs: sampleOutputs(),
		Variables: map[string]*plan.Value{
			"hosts": {Value: cty.TupleVal([]cty.Value{cty.StringVal("a")})}, "nothing": {Value: cty.NullVal(cty.String)}, "token": {Value: secret()},
		},
		ForgetSources: []address.Address{source("http", "old")},
		Incomplete:    true,
	}
}

func sampleSources() []*plan.SourceChange {
	before := object("api_url", "http://a", "timeout", 30, "token", secret(), "gone", "x")
	after := object("api_url", "http://b", "timeout", 60, "token", cty.StringVal(canary+"2").Mark(mark.Sensitive), "new", "y")
	return []*plan.SourceChange{
		{
			Address: source("http", "app"), Kind: "http", Identity: "https://config.example.com/api/config/myapp.json",
			Action: plan.Read, Standing: plan.Candidate, PreviousVersion: "v1", Version: "v2",
			Before: plan.Of(before), After: plan.Of(after), Changes: plan.ValueChanges(before, after),
			Checks: []plan.Check{
				{Address: "rule.assert.sane", Object: "source.http.app", Status: "pass", Severity: "error"},
				{Address: "rule.schema.shape", Object: "source.http.app", Status: "fail", Severity: "warning", Findings: []string{"gone is deprecated."}},
			},
		},
		{
			Address: source("http", "bad"), Kind: "http", Identity: "https://config.example.com/bad", Action: plan.NoOp,
			Standing: plan.Accepted, Problem: plan.Rejected, Reason: "refused by rule.assert.sane: timeout_seconds out of range: 0.",
			PreviousVersion: "v8", Version: "v9", Before: plan.Of(object("timeout", 10)), After: plan.Of(object("timeout", 0)),
			Changes: plan.ValueChanges(object("timeout", 10), object("timeout", 0)),
			Checks: []plan.Check{{
				Address: "rule.assert.sane", Object: "source.http.bad", Status: "fail", Severity: "error",
				Findings: []string{"timeout_seconds out of range: 0.", "evil \x1b[31m\u202etext"},
			}},
		},
		{
			Address: source("http", "down"), Kind: "http", Identity: "https://down.example.com/", Action: plan.NoOp,
			Standing: plan.Fallback, Problem: plan.Failed, Reason: "GET https://down.example.com/: connection refused",
			After: plan.Of(object("timeout", 1)),
		},
		{
			Address: source("http", "slow"), Kind: "http", Action: plan.NoOp, Standing: plan.Accepted, Problem: plan.Limited,
			Reason: "rate_limit.sliding_window.gentle lets the next update pass at 2026-03-01T12:01:00Z", Until: day.Add(time.Minute),
			PreviousVersion: "v1", Version: "v2", Before: plan.Of(object("n", 1)), After: plan.Of(object("n", 2)),
			Changes: plan.ValueChanges(object("n", 1), object("n", 2)),
		},
		{
			Address: source("webhook", "pushed"), Kind: "webhook", Action: plan.NoOp, Standing: plan.Nothing,
			Problem: plan.Blocked, Reason: "waiting for first push",
		},
		{Address: source("static", "same"), Kind: "static", Action: plan.NoOp, Standing: plan.Accepted},
		{
			Address: source("file", "format"), Kind: "file", Identity: "/srv/app/defaults.yaml", Action: plan.NoOp,
			Standing: plan.Accepted, FormatOnly: true, PreviousVersion: "sha256:aa", Version: "sha256:aa",
		},
	}
}

func sampleSinks() []*plan.SinkChange {
	keyed := sink("file", "new")
	keyed.Module, keyed.Key = address.Root.Child("a", address.NoKey), address.StringKey("k\"1")
	file := func(content string, mode string) cty.Value {
		return object("path", "/etc/app.json", "content", content, "mode", mode, "owner", cty.NullVal(cty.String))
	}
	drift := diff.LineDiff([]byte(oldConfig), []byte("{}\n"), 3)
	return []*plan.SinkChange{
		{
			Address: keyed, Kind: "file", Target: "/etc/app.json", Action: plan.Create, Wanted: plan.Create,
			Reasons: []string{"first delivery"}, After: plan.Of(file(newConfig, "0640")), Lines: lines("", newConfig), ContentChanged: true,
		},
		{
			Address: sink("file", "app"), Kind: "file", Target: "/etc/app.json", Action: plan.Update, Wanted: plan.Update,
			Reasons: []string{"content changed"}, Before: plan.Of(file(oldConfig, "0600")), After: plan.Of(file(newConfig, "0640")),
			Lines: lines(oldConfig, newConfig), ContentChanged: true,
			Checks: []plan.Check{
				{Address: "rule.assert.port", Object: "sink.file.app", Status: "pass"},
				{Address: "sink.file.app", Object: "sink.file.app", Status: "pass"},
				{Address: "sink.file.app", Object: "sink.file.app", Status: "fail", Severity: "warning", Findings: []string{"That is odd."}},
			},
		},
		{
			Address: sink("file", "secret"), Kind: "file", Target: "/etc/secret", Action: plan.Update, Wanted: plan.Update,
			Reasons: []string{"content changed"}, Sensitive: true, ContentChanged: true,
			Before: plan.Of(object("path", "/etc/secret", "content", secret())),
			After:  plan.Of(object("path", "/etc/secret", "content", cty.StringVal("b"+canary).Mark(mark.Sensitive))),
			Drift:  &plan.Drift{Policy: "repair"},
		},
		{
			Address: sink("file", "drifted"), Kind: "file", Target: "/etc/drifted.json", Action: plan.Update, Wanted: plan.Update, Repair: true,
			Reasons: []string{"drift: the content was changed by somebody else"}, Before: plan.Of(file(oldConfig, "0600")),
			After: plan.Of(file(oldConfig, "0600")), Lines: lines("{}\n", oldConfig), Drift: &plan.Drift{Policy: "repair", Lines: drift},
		},
		{
			Address: sink("file", "warned"), Kind: "file", Target: "/etc/warned.json", Action: plan.NoOp, Wanted: plan.NoOp,
			Before: plan.Of(file(oldConfig, "0600")), After: plan.Of(file(oldConfig, "0600")),
			Drift: &plan.Drift{Policy: "warn", Differs: []string{"mode is 0600, want 0640"}, Lines: drift},
		},
		{
			Address: sink("file", "missing"), Kind: "file", Target: "/etc/m", Action: plan.NoOp, Wanted: plan.NoOp,
			Before: plan.Of(file(oldConfig, "0600")), Drift: &plan.Drift{Policy: "warn", Missing: true},
		},
		{
			Address: sink("exec", "reload"), Kind: "exec", Target: "systemctl reload myapp", Action: plan.Update, Wanted: plan.Update,
			Reasons: []string{"triggered by sink.file.app"}, FilledLater: true,
			Before: plan.Of(object("command", cty.TupleVal([]cty.Value{cty.StringVal("systemctl"), cty.StringVal("restart")}))),
			After:  plan.Of(object("command", cty.TupleVal([]cty.Value{cty.StringVal("systemctl"), cty.StringVal("reload"), cty.StringVal("myapp")}))),
		},
		{
			Address: sink("http", "hook"), Kind: "http", Target: "https://hook.example.com/", Action: plan.Create, Wanted: plan.Create,
			Reasons: []string{"first delivery"}, Lines: lines("", "{\"x\":1}"), ContentChanged: true,
			After: plan.Of(object("url", "https://hook.example.com/", "method", "POST", "body", "{\"x\":1}",
				"headers", object("Authorization", secret()), "id", cty.UnknownVal(cty.String))),
		},
		{
			Address: sink("file", "waits"), Kind: "file", Target: "/etc/waits", Action: plan.NoOp, Wanted: plan.Update,
			Reasons: []string{"content changed"}, Before: plan.Of(file("a\n", "0600")), After: plan.Of(file("b\n", "0600")), Lines: lines("a\n", "b\n"),
			Wait: &plan.Wait{
				Kind: plan.Deferred, On: "rate_limit.sliding_window.gentle", Until: day.Add(time.Hour),
				Reason: "rate_limit.sliding_window.gentle lets the next delivery pass at 2026-03-01T13:00:00Z",
			},
		},
		{
			Address: sink("exec", "after"), Kind: "exec", Target: "true", Action: plan.NoOp, Wanted: plan.NoOp,
			Wait: &plan.Wait{Kind: plan.BlockedBy, On: "source.webhook.pushed", Reason: "source.webhook.pushed has no value: waiting for first push"},
		},
		{
			Address: sink("file", "refused"), Kind: "file", Target: "/etc/refused", Action: plan.NoOp, Wanted: plan.Update,
			Wait:   &plan.Wait{Kind: plan.RejectedByOwn, Reason: "refused by rule.assert.port"},
			Checks: []plan.Check{{Address: "rule.assert.port", Object: "sink.file.refused", Status: "fail", Severity: "error", Findings: []string{"port must be set."}}},
		},
		{
			Address: sink("file", "adopted"), Kind: "file", Target: "/etc/a", Action: plan.Adopt, Wanted: plan.Adopt,
			Reasons: []string{"the target already holds the wanted content"}, After: plan.Of(file("a\n", "0600")),
		},
		{
			Address: sink("file", "removed"), Kind: "file", Target: "/etc/r", Action: plan.Delete, Wanted: plan.Delete,
			Reasons: []string{"on_destroy is delete"}, Before: plan.Of(file("a\n", "0600")),
		},
		{
			Address: sink("file", "forgotten"), Kind: "file", Target: "/etc/f", Action: plan.Forget, Wanted: plan.Forget,
			Reasons: []string{"no longer declared; the target stays as it is (on_destroy is keep)"},
		},
		{Address: sink("file", "same"), Kind: "file", Target: "/etc/s", Action: plan.NoOp, Wanted: plan.NoOp},
	}
}

func sampleOutputs() []*plan.OutputChange {
	return []*plan.OutputChange{
		{Name: "added", Action: plan.Create, Value: plan.Of(cty.NumberIntVal(1)), Known: true},
		{Name: "gone", Action: plan.Delete, Before: plan.Of(cty.StringVal("x")), Known: true},
		{Name: "later", Action: plan.NoOp, Value: plan.Of(cty.UnknownVal(cty.String))},
		{Name: "limits", Action: plan.Update, Before: plan.Of(object("timeout", 30)), Value: plan.Of(object("timeout", 60)), Known: true},
		{Name: "opened", Action: plan.Update, Before: plan.Of(secret()), Value: plan.Of(cty.StringVal("open")), WasSensitive: true, Known: true},
		{Name: "password", Action: plan.Update, Before: plan.Of(secret()), Value: plan.Of(secret()), Sensitive: true, WasSensitive: true, Known: true},
		{Name: "same", Action: plan.NoOp, Before: plan.Of(cty.True), Value: plan.Of(cty.True), Known: true},
		{Name: "url", Action: plan.Update, Before: plan.Of(cty.StringVal("http://a")), Value: plan.Of(cty.StringVal("http://b")), Known: true},
	}
}

func sampleLedger() State {
	l := state.New()
	l.Lineage, l.Serial = "3f6a", 12
	src := source("http", "app")
	l.Sources[src] = &state.Source{
		Address: src, Snapshots: []state.Snapshot{
			{Blob: "sha256:aa", Version: "v2", Format: "json", Size: 1234, AcceptedAt: day},
			{Blob: "sha256:bb", Version: "v1", Format: "json", Size: 1200, AcceptedAt: day.Add(-time.Hour), Sensitive: true},
		},
		Failures: 2, LastError: "GET https://x: status 503", LastSuccess: day,
		Rejected: []state.Rejection{{Hash: "sha256:cc", Version: "v3", Time: day, Findings: []string{"timeout out of range"}}},
	}
	snk := sink("file", "app")
	l.Sinks[snk] = &state.Sink{
		Address: snk, Kind: "file", Target: "/etc/app.json", Sequence: 3,
		Acknowledged: &state.Delivery{
			ID: "dlv_1", Fingerprint: "sha256:f", Hash: "sha256:0123456789abcdef0123", At: day,
			Causes: []state.Cause{{Source: src, Version: "v1"}},
		},
		Pending: &state.Delivery{ID: "dlv_2", At: day.Add(time.Minute), Attempts: 3, Error: "permission denied\x1b[2J"},
		Revisions: []state.Revision{
			{Number: 1, Time: day, Delivery: "dlv_1", Cause: `source.http.app at "v1"`, Size: 1234, Hash: "sha256:0123456789abcdef0123"},
			{Number: 0, Time: day, Size: 3, Hash: "sha256:ff"},
		},
	}
	port, token, lost := address.Of(address.Output, "", "port"), address.Of(address.Output, "", "token"), address.Of(address.Output, "", "lost")
	for _, a := range []address.Address{port, token, lost} {
		l.Outputs[a] = &state.Output{Address: a, Blob: "sha256:dd", Sensitive: a == token}
	}
	return State{Ledger: l, Version: "0.1.0", Values: map[address.Address]plan.Value{
		port: plan.Of(cty.NumberIntVal(80)), token: plan.Of(secret()),
		snk: plan.Of(object("path", "/etc/app.json", "mode", "0640", "content", secret())),
	}}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got, -update writes it):\n%s", name, d)
	}
}
