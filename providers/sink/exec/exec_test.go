//go:build unix

package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSink(t *testing.T, dir, body string) providers.Sink {
	t.Helper()
	return providertest.NewSink(t, Kind(), body, providers.Env{
		ModuleDir: dir, RootDir: dir, Environ: append(os.Environ(), "CANARY_TOKEN=canary"),
	})
}

func delivery(changes string) providers.Delivery {
	return providers.Delivery{
		ID: "d-1", Address: "sink.exec.x", Changes: []byte(changes), Attempt: 1,
		Redact: func(s string) string { return strings.ReplaceAll(s, "known-secret", "(sensitive value)") },
	}
}

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Sink(t, providertest.SinkOptions{New: func(t *testing.T) providers.Sink {
		return newSink(t, t.TempDir(), `command = ["true"]`)
	}})
}

func TestMistakes(t *testing.T) {
	for body, want := range map[string]string{
		`command = []`:                                    `needs at least the program`,
		"command = [\"a\"]\nsuccess_codes = []":           `test.hcl:2,17-19: Invalid sink "exec"; success_codes: is empty`,
		"command = [\"a\"]\nsuccess_codes = [256]":        `256 is no exit status`,
		"command = [\"a\"]\nsuccess_codes = [1.5]":        `must be a whole number`,
		"command = [\"a\"]\nenv = { TIDEGATE_X = \"1\" }": `TIDEGATE_X cannot be set`,
		"command = [\"a\"]\ntimeout = \"soon\"":           `is no duration`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
}

func TestTheProgramGetsTheDelivery(t *testing.T) {
	dir := t.TempDir()
	s := newSink(t, dir, `
command = ["sh", "-c", <<-EOT
  set -e
  cat >stdin
  env >env
  cat "$TIDEGATE_CHANGES_FILE" >changes
  ls -l "$TIDEGATE_CHANGES_FILE" | cut -c1-10 >mode
  printf %s "$TIDEGATE_CHANGES_FILE" >where
EOT
]
env   = { APP = "x" }
stdin = "hello"`)
	changes := `[{"address": "sink.file.a", "path": "", "action": "update", "before": 1, "after": 2}]`
	if err := s.Write(t.Context(), delivery(changes)); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	env := strings.Split(read("env"), "\n")
	for _, want := range []string{
		"APP=x", "TIDEGATE_DELIVERY_ID=d-1", "TIDEGATE_ADDRESS=sink.exec.x", "TIDEGATE_CHANGES_OMITTED=0",
		`TIDEGATE_CHANGES=[{"address":"sink.file.a","path":"","action":"update","before":1,"after":2}]`,
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing in %q", want, env)
		}
	}
	if strings.Contains(read("env"), "canary") {
		t.Error("the environment is not limited")
	}
	if read("stdin") != "hello" || read("changes") != changes || read("mode") != "-rw-------\n" {
		t.Errorf("stdin %q, changes %q, mode %q", read("stdin"), read("changes"), read("mode"))
	}
	if _, err := os.Stat(read("where")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of changes is still there: %v", err)
	}
}

func TestCutChangesAreWholeEntries(t *testing.T) {
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf(`{"address": "sink.file.x", "n": %d, "after": %q}`, i, strings.Repeat("x", 100)))
	}
	for _, limit := range []int{2, 10, 5_000, maxChanges, 1 << 20} {
		short, omitted, err := cut([]byte("["+strings.Join(all, ", ")+"]"), limit)
		var got []struct{ N int }
		if err != nil || len(short) > limit || json.Unmarshal(short, &got) != nil || len(got)+omitted != len(all) {
			t.Errorf("limit %d: %d bytes, %d and %d entries, %v", limit, len(short), len(got), omitted, err)
		}
		if limit == 1<<20 && omitted != 0 || limit == maxChanges && (omitted == 0 || len(short) < maxChanges-200) {
			t.Errorf("limit %d: %d omitted, %d bytes", limit, omitted, len(short))
		}
	}
	if short, _, err := cut(nil, 100); err != nil || string(short) != "[]" {
		t.Errorf("%s, %v", short, err)
	}
	if _, _, err := cut([]byte(`{"a": 1}`), 100); err == nil {
		t.Error("no list, but no error")
	}
	// A list that large arrives whole in the file, and the program can be started at all.
	dir := t.TempDir()
	s := newSink(t, dir, `command = ["sh", "-c", "cp \"$TIDEGATE_CHANGES_FILE\" all; echo $TIDEGATE_CHANGES_OMITTED >omitted"]`)
	big := "[" + strings.Join(slices.Repeat(all, 20), ", ") + "]"
	if err := s.Write(t.Context(), delivery(big)); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "all")); string(got) != big {
		t.Errorf("%d bytes of %d in the file", len(got), len(big))
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "omitted")); string(got) == "0\n" {
		t.Error("nothing was omitted")
	}
}

func TestSuccessCodes(t *testing.T) {
	s := newSink(t, t.TempDir(), "command = [\"sh\", \"-c\", \"exit 3\"]\nsuccess_codes = [0, 3]")
	if err := s.Write(t.Context(), delivery("[]")); err != nil {
		t.Error(err)
	}
	s = newSink(t, t.TempDir(), `command = ["sh", "-c", "exit 3"]`)
	err := s.Write(t.Context(), delivery("[]"))
	if class, _ := providers.Classify(err); err == nil || class != providers.ClassTemporary || !strings.Contains(err.Error(), "exited with status 3") {
		t.Errorf("got %v", err)
	}
}

func TestFaultX4SecretsInTheOutput(t *testing.T) {
	s := newSink(t, t.TempDir(), `
command = ["sh", "-c", "echo stdout-is-not-shown; echo $PASS known-secret >&2; exit 1"]
env     = { PASS = secret }`)
	err := s.Write(t.Context(), delivery("[]"))
	if want := `the program "sh" exited with status 1; it said: (sensitive value) (sensitive value)`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestFaultX1StopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	s := newSink(t, dir, `command = ["sh", "-c", "touch started; sleep 300"]`)
	go func() {
		defer cancel()
		for {
			if _, err := os.Stat(filepath.Join(dir, "started")); err == nil || t.Context().Err() != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	start := time.Now()
	err := s.Write(ctx, delivery("[]"))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "unknown") || time.Since(start) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestFingerprintIsOfWhatIsSent(t *testing.T) {
	base := `command = ["a", "b"]`
	of := func(body string) string { return newSink(t, "/", body).Fingerprint() }
	same := []string{
		base + "\ntimeout = \"5s\"", base + "\nsuccess_codes = [1]", base + "\non_create = \"skip\"", base + "\nenv = {}",
	}
	for _, body := range same {
		if of(body) != of(base) {
			t.Errorf("%q changes the fingerprint", body)
		}
	}
	seen := map[string]string{}
	for _, body := range []string{
		base, `command = ["/a b"]`, `command = ["a", "b", ""]`, `command = ["a", "c"]`, base + "\nenv = { A = \"1\" }",
		base + "\nenv = { A = \"2\" }", base + "\nenv = { A1 = \"\" }", base + "\ndir = \"x\"", base + "\nstdin = \"\"", base + "\nstdin = \"x\"",
	} {
		if other, ok := seen[of(body)]; ok {
			t.Errorf("%q and %q have one fingerprint", body, other)
		}
		seen[of(body)] = body
	}
	// A changed secret is delivered like anything else.
	if of(base+"\nenv = { A = secret }") == of(base+"\nenv = { A = \"x${secret}\" }") {
		t.Error("a changed secret leaves the fingerprint as it was")
	}
	if of(base+"\nenv = { A = secret }") == of(base+"\nenv = { B = secret }") {
		t.Error("the name of a variable is not part of the fingerprint")
	}
}

func TestDefaultsAreDocumented(t *testing.T) {
	for name, want := range map[string]string{"success_codes": "[0]", "timeout": `"1m"`} {
		if got := Kind().Schema.Attribute(name).Default; got != want {
			t.Errorf("the default of %s is documented as %q, want %q", name, got, want)
		}
	}
}

func TestDeleteIsRefusedForGood(t *testing.T) {
	err := newSink(t, "/", `command = ["a"]`).Delete(t.Context())
	if class, _ := providers.Classify(err); class != providers.ClassPermanent {
		t.Errorf("got %v", err)
	}
}
