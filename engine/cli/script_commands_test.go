package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/rogpeppe/go-internal/testscript"
)

// commands are what scripts can do beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"rc":        rc,
	"json":      isJSON,
	"serve":     serve,
	"pipe":      pipe,
	"interrupt": interrupt,
	"until":     until,
}

// rc runs a command and expects an exit code: rc 2 tidegate plan --detailed-exitcode.
func rc(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: rc CODE COMMAND ARGS...")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = fmt.Sprint(exit.ExitCode())
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// isJSON expects a file (stdout) to be JSON, as Terraform's readers read it:
// json plan|state|validate|functions|lines|any FILE.
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: json plan|state|validate|functions|lines|any FILE")
	}
	text := ts.ReadFile(args[1])
	var err error
	switch args[0] {
	case "plan":
		err = json.Unmarshal([]byte(text), &tfjson.Plan{})
	case "state":
		err = json.Unmarshal([]byte(text), &tfjson.State{})
	case "validate":
		err = json.Unmarshal([]byte(text), &tfjson.ValidateOutput{})
	case "functions":
		err = json.Unmarshal([]byte(text), &tfjson.MetadataFunctions{})
	case "lines":
		for line := range strings.Lines(text) {
			if err == nil {
				_, err = tfjson.UnmarshalLogMessage([]byte(line))
			}
		}
	default:
		if !json.Valid([]byte(text)) {
			err = fmt.Errorf("no JSON")
		}
	}
	ts.Check(err)
	if text == "" {
		ts.Fatalf("%s is empty", args[1])
	}
}

// serve answers GET with the files of a directory, until the script ends: serve DIR sets $URL.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	ts.Defer(s.Close)
	ts.Setenv("URL", s.URL)
}

// pipe runs a command whose stdout is closed after the first bytes, as head does, and expects
// an exit code: pipe 1 tidegate plan.
func pipe(ts *testscript.TestScript, _ bool, args []string) {
	r, w, err := os.Pipe()
	ts.Check(err)
	cmd := command(ts, args[1:])
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = w, &stderr
	r.Close()
	err = cmd.Run()
	w.Close()
	if strings.Contains(stderr.String(), "panic") {
		ts.Fatalf("%s", stderr.String())
	}
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s (%v), want %s\n%s", got, err, args[0], stderr.String())
	}
}

// interrupt runs a command, waits for a file to appear, interrupts it and expects an exit
// code: interrupt 1 FILE tidegate apply.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	cmd := command(ts, args[2:])
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	ts.Check(cmd.Start())
	deadline := time.Now().Add(20 * time.Second)
	for path := ts.MkAbs(args[1]); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil || time.Now().After(deadline) {
			break
		}
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s\n%s", got, args[0], out.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("interrupted"), []byte(out.String()), 0o644))
}

// until repeats a command until its output matches: until PATTERN tidegate status.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND ARGS...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if pattern.MatchString(out) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q never matched; the newest output:\n%s", args[0], out)
		}
	}
}

// command is a command in the script's directory with the script's environment.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := args[0]
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, args[0]); exec.Command(p).Err == nil {
			if _, err := os.Stat(p); err == nil {
				path = p
				break
			}
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "WORK", "GORACE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}
