package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// completionModule is a directory with a configuration and the completion script of a shell.
func completionModule(t *testing.T, shell, script string) (dir string) {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		t.Skipf("there is no %s to try its completion in", shell)
	}
	dir = t.TempDir()
	writeText(t, dir+"/main.hcl", `
source "file" "app" { path = "app.json" }
sink "file" "app" {
  path    = "a"
  content = source.file.app.text
}
sink "file" "b" {
  path    = "b"
  content = "b"
}
`)
	out, err := exec.CommandContext(t.Context(), "tidegate", "completion", shell).Output()
	if err != nil {
		t.Fatal(err)
	}
	writeText(t, dir+"/"+script, string(out))
	return dir
}

// completions are lines and what a shell makes of them where there is one way only to go on.
var completions = map[string]string{
	"tidegate pl":                          "tidegate plan",
	"tidegate pause sink.file.a":           "tidegate pause sink.file.app",
	"tidegate plan --det":                  "tidegate plan --detailed-exitcode",
	"tidegate graph --format sv":           "tidegate graph --format svg",
	"tidegate plan --target source.":       "tidegate plan --target source.file.app",
	"tidegate plan --target=source.":       "tidegate plan --target=source.file.app",
	"tidegate state sh":                    "tidegate state show",
	"tidegate history sink.file.b":         "tidegate history sink.file.b",
	"tidegate providers rate_limit.sl":     "tidegate providers rate_limit.sliding_window",
	"tidegate apply mai":                   "tidegate apply main.hcl",
	"tidegate rollback sink.file.app --to": "tidegate rollback sink.file.app --to",
}

func TestCompletionInFish(t *testing.T) {
	dir := completionModule(t, "fish", "tidegate.fish")
	for line, want := range completions {
		cmd := exec.CommandContext(t.Context(), "fish", "--no-config", "-c", `source tidegate.fish; complete -C "$LINE"`)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "LINE="+line, "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		// Each line is a word, and after a tab what it means. fish also offers what contains the
		// word, or resembles it, where nothing begins with it.
		words := strings.Split(want, " ")
		found := false
		for _, offered := range strings.Split(string(out), "\n") {
			word, _, _ := strings.Cut(offered, "\t")
			found = found || word == words[len(words)-1]
		}
		if !found {
			t.Errorf("%s: %q", line, out)
		}
	}
}

// zsh completes on a terminal alone. A key of our own shows what became of the line.
func TestCompletionInZsh(t *testing.T) {
	dir := completionModule(t, "zsh", "_tidegate")
	writeText(t, dir+"/.zshrc", `
PS1='> ' PROMPT_EOL_MARK='' fpath=($ZDOTDIR $fpath)
autoload -Uz compinit && compinit -D -u
show-line() { print -r -- "LINE=[$BUFFER]"; BUFFER= }
zle -N show-line
bindkey '^T' show-line
`)
	master, slave := terminal(t)
	defer master.Close()
	cmd := exec.CommandContext(t.Context(), "zsh", "-d", "-i")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "ZDOTDIR="+dir, "HOME="+dir, "TERM=dumb")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	var out bytes.Buffer
	until := func(text string) {
		t.Helper()
		p := make([]byte, 4096)
		for !strings.Contains(out.String(), text) {
			n, err := master.Read(p)
			out.Write(p[:n])
			if err != nil {
				t.Fatalf("it ended before it said %q: %q", text, out.String())
			}
		}
	}
	for line, want := range completions {
		until("> ")
		out.Reset()
		_, _ = master.WriteString(line + "\t\x14")
		until("LINE=[")
		until("]")
		if _, got, _ := strings.Cut(out.String(), "LINE=["); !strings.HasPrefix(got, want+"]") && !strings.HasPrefix(got, want+" ]") {
			t.Errorf("%s: %q", line, out.String())
		}
		_, _ = master.WriteString("\r") // another prompt
	}
	_, _ = master.WriteString("exit\r")
	_ = cmd.Wait()
}
