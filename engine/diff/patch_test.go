package diff

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkApplies checks that the unified text of l turns old into new, backwards too, and that its
// counts are those of its lines.
func checkApplies(t failer, l Lines, old, new string) {
	t.Helper()
	text := l.Unified("old", "new")
	if got, err := applyUnified(old, text, false); err != nil || got != new {
		t.Fatalf("applied: %.500q, %v; want %.500q; diff:\n%.2000s", got, err, new, text)
	}
	if got, err := applyUnified(new, text, true); err != nil || got != old {
		t.Fatalf("applied backwards: %.500q, %v; want %.500q; diff:\n%.2000s", got, err, old, text)
	}
	counts := map[Op]int{}
	for _, h := range l.Hunks {
		for _, line := range h.Lines {
			counts[line.Op]++
		}
	}
	if counts[Insert] != l.Added || counts[Delete] != l.Removed {
		t.Fatalf("Added %d and Removed %d, lines say %d and %d", l.Added, l.Removed, counts[Insert], counts[Delete])
	}
}

// applyUnified does what patch(1) does, and tolerates nothing: no fuzz and no offsets.
func applyUnified(old, patch string, backwards bool) (string, error) {
	p := patcher{old: splitLines([]byte(old)), backwards: backwards}
	lines := strings.SplitAfter(patch, "\n")
	if patch == "" {
		return old, nil
	}
	lines = lines[:len(lines)-1]
	if len(lines) < 3 || !strings.HasPrefix(lines[0], "--- ") || !strings.HasPrefix(lines[1], "+++ ") {
		return "", fmt.Errorf("no head")
	}
	for rest := lines[2:]; len(rest) > 0; {
		var err error
		if rest, err = p.hunk(rest); err != nil {
			return "", err
		}
	}
	return p.out.String() + strings.Join(p.old[p.at:], ""), nil
}

type patcher struct {
	old       []string
	at        int // the next line of old
	outLines  int
	out       strings.Builder
	backwards bool
}

// hunk applies the hunk that lines begin with, by the counts in its head, and returns the rest.
func (p *patcher) hunk(lines []string) ([]string, error) {
	var from, to string
	if _, err := fmt.Sscanf(lines[0], "@@ -%s +%s @@\n", &from, &to); err != nil {
		return nil, fmt.Errorf("head %q: %w", lines[0], err)
	}
	if p.backwards {
		from, to = to, from
	}
	oldAt, oldLeft := parseExtent(from)
	newAt, newLeft := parseExtent(to)
	for p.at < oldAt {
		p.out.WriteString(p.old[p.at])
		p.at++
		p.outLines++
	}
	if p.at != oldAt || p.outLines != newAt {
		return nil, fmt.Errorf("%q begins at %d and %d", lines[0], p.at, p.outLines)
	}
	lines = lines[1:]
	for oldLeft > 0 || newLeft > 0 {
		op, text := lines[0][0], lines[0][1:]
		if lines = lines[1:]; len(lines) > 0 && strings.HasPrefix(lines[0], "\\ ") {
			text, lines = strings.TrimSuffix(text, "\n"), lines[1:]
		}
		if op != ' ' && p.backwards {
			op = '+' + '-' - op
		}
		if op != '+' {
			if p.at >= len(p.old) || p.old[p.at] != text {
				return nil, fmt.Errorf("line %d is not %q", p.at, text)
			}
			p.at++
			oldLeft--
		}
		if op != '-' {
			p.out.WriteString(text)
			p.outLines++
			newLeft--
		}
	}
	return lines, nil
}

// parseExtent returns how many lines come before the extent, and how many are in it.
func parseExtent(s string) (before, n int) {
	n = 1
	fmt.Sscanf(s, "%d,%d", &before, &n)
	if n > 0 {
		before--
	}
	return before, n
}

// TestPatchProgram asks patch(1) itself. Where it is not installed the other
// tests hold the same law with applyUnified.
func TestPatchProgram(t *testing.T) {
	program, err := exec.LookPath("patch")
	if err != nil {
		t.Log("patch(1) is not installed; applyUnified alone judges")
		return
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		old, new := drawTexts(rt)
		context := rapid.IntRange(0, 4).Draw(rt, "context")
		if old == new || runs > 150 {
			return
		}
		runs++
		if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "--binary", "--unified", "--fuzz=0", "--no-backup-if-mismatch", file)
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(LineDiff([]byte(old), []byte(new), context).Unified("a name", "b\tname"))
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "offset") {
			rt.Fatalf("patch: %v\n%s", err, out)
		}
		got, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if string(got) != new {
			rt.Fatalf("patch made %q of %q, want %q", got, old, new)
		}
	})
}
