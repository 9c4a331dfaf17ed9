//go:build unix

package exec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSource(t *testing.T, body string) providers.Source {
	t.Helper()
	return providertest.NewSource(t, Kind(), body, providers.Env{
		ModuleDir: "/", RootDir: "/", Environ: append(os.Environ(), "CANARY_TOKEN=canary"),
	})
}

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Source(t, providertest.SourceOptions{
		New: func(t *testing.T) providers.Source {
			return newSource(t, `command = ["echo", "{\"a\": 1}"]`)
		},
		Missing: func(t *testing.T) providers.Source { return newSource(t, `command = ["tidegate-no-such-program"]`) },
	})
}

func TestMistakes(t *testing.T) {
	for body, want := range map[string]string{
		`command = []`:                                  `test.hcl:1,11-13: Invalid source "exec"; command: needs at least the program`,
		`command = [""]`:                                `needs at least the program`,
		`command = "ls -l"`:                             `Unsuitable value type`,
		`command = ["ls -l /etc"]`:                      `no shell line`,
		`command = ["ls -l"]`:                           `write ["ls", "-l"]`,
		`command = ["ls", "a\u0000"]`:                   `argument 1 contains a NUL`,
		"command = [\"ls\"]\nenv = { \"A=B\" = \"c\" }": `test.hcl:2,7-22: Invalid source "exec"; env: "A=B" is no name of a variable`,
		"command = [\"ls\"]\ntimeout = \"0s\"":          `not positive`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
}

func TestGivesEverythingToTheProgram(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "sub"), 0o755)
	s := providertest.NewSource(t, Kind(), `
command = ["sh", "-c", "pwd; echo $APP; cat"]
dir     = "sub"
env     = { APP = "x y" }
stdin   = "in"`, providers.Env{ModuleDir: dir, RootDir: "/"})
	got, err := s.Fetch(t.Context(), "")
	real, _ := filepath.EvalSymlinks(filepath.Join(dir, "sub"))
	if want := real + "\nx y\nin"; err != nil || string(got.Data) != want {
		t.Errorf("%q, %v, want %q", got.Data, err, want)
	}
	if got.Location != "" || got.Validator != "" || got.Format != "" {
		t.Errorf("got %+v", got)
	}
	got, err = newSource(t, `command = ["pwd"]`).Fetch(t.Context(), "")
	if err != nil || string(got.Data) != "/\n" {
		t.Errorf("default directory: %q, %v", got.Data, err)
	}
}

func TestFailureDiscardsTheOutput(t *testing.T) {
	s := newSource(t, `
command = ["sh", "-c", "echo half a value; echo the reason $PASS >&2; exit 3"]
env     = { PASS = secret }`)
	got, err := s.Fetch(t.Context(), "")
	if err == nil || got.Data != nil {
		t.Fatalf("%q, %v", got.Data, err)
	}
	if want := `the program "sh" exited with status 3; it said: the reason (sensitive value)`; err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if class, _ := providers.Classify(err); class != providers.ClassTemporary {
		t.Errorf("class %v", class)
	}
}

func TestSensitiveArgumentsAreNotShown(t *testing.T) {
	s := newSource(t, `command = ["sh", "-c", "echo $0 >&2; exit 1", secret]`)
	if id := s.(providers.Identifier).Identity(); id != "sh (sensitive arguments)" {
		t.Errorf("identity %s", id)
	}
	if _, err := s.Fetch(t.Context(), ""); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	s = newSource(t, `command = ["sh", "-c", "echo \"a b\""]`)
	if id := s.(providers.Identifier).Identity(); id != `sh -c "echo \"a b\""` {
		t.Errorf("identity %s", id)
	}
}

func TestFaultX1Timeout(t *testing.T) {
	start := time.Now()
	_, err := newSource(t, "command = [\"sleep\", \"300\"]\ntimeout = \"200ms\"").Fetch(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "did not end within 200ms") || time.Since(start) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestFaultX4TooMuchOutputStopsTheProgram(t *testing.T) {
	_, err := newSource(t, `command = ["yes", "canary"]`).Fetch(providers.WithFetchLimit(t.Context(), 1<<20), "")
	class, _ := providers.Classify(err)
	if err == nil || class != providers.ClassPermanent || !strings.Contains(err.Error(), "max_bytes = 1048576") || strings.Contains(err.Error(), "canary") {
		t.Errorf("class %v of %v", class, err)
	}
}

func TestFaultX8Environment(t *testing.T) {
	got, err := newSource(t, "command = [\"env\"]\nenv = { A = \"1\" }").Fetch(t.Context(), "")
	if err != nil || strings.Contains(string(got.Data), "canary") || !strings.Contains(string(got.Data), "\nPATH=") {
		t.Errorf("%v\n%s", err, got.Data)
	}
}
