//go:build unix

package durable

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An effect is one thing that Replace does to the disk, in the order in which it does them.
type effect struct {
	kind string // create, write, mode, fsync, rename or syncdir
	data string // of a write
	mode fs.FileMode
}

// record replaces path for real and notes every effect. What is not done through a seam, the
// change of mode, is noticed by looking at the file at the next step.
func record(t *testing.T, path string, data []byte) []effect {
	t.Helper()
	var trace []effect
	var file string
	mode := fs.FileMode(0o600)
	look := func(name string) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			mode = info.Mode().Perm()
			trace = append(trace, effect{kind: "mode", mode: mode})
		}
	}
	inject(t, func(o *ops) {
		disk := *o
		o.create = func(r *os.Root, name string) (*os.File, error) {
			trace = append(trace, effect{kind: "create"})
			file = filepath.Join(r.Name(), name)
			return disk.create(r, name)
		}
		o.write = func(f *os.File, data []byte) (int, error) {
			look(file)
			n, err := disk.write(f, data[:min(4, len(data))]) // as a file system may
			trace = append(trace, effect{kind: "write", data: string(data[:n])})
			return n, err
		}
		o.fsync = func(f *os.File) error {
			look(file)
			trace = append(trace, effect{kind: "fsync"})
			return disk.fsync(f)
		}
		o.rename = func(r *os.Root, from, to string) error {
			look(file)
			trace = append(trace, effect{kind: "rename"})
			file = filepath.Join(r.Name(), to)
			return disk.rename(r, from, to)
		}
		o.syncDir = func(r *os.Root) error {
			look(file)
			trace = append(trace, effect{kind: "syncdir"})
			return disk.syncDir(r)
		}
	})
	want := func(fs.FileInfo) Want { return Want{Mode: 0o640, UID: -1, GID: -1} }
	if err := Replace(t.Context(), path, Options{}, data, want); err != nil {
		t.Fatal(err)
	}
	look(file)
	return trace
}

// states lists what a path may hold when the power fails after the given effects, as "old" or
// as the mode and bytes of the new file. Nothing is assumed of the disk but this: fsync of a
// file keeps its bytes and its mode, and nothing of the directory; fsync of a directory keeps
// its entries; a rename happens or does not. All else may be lost or kept in any combination:
// a write wholly, in part, or as zeros where only the new size was kept.
func states(done []effect) map[string]bool {
	var kept, pending []effect // of the new file
	renamed, synced := false, false
	for _, e := range done {
		switch e.kind {
		case "write", "mode":
			pending = append(pending, e)
		case "fsync":
			kept, pending = append(kept, pending...), nil
		case "rename":
			renamed, synced = true, false
		case "syncdir":
			synced = renamed
		}
	}
	out := map[string]bool{}
	if !synced {
		out["old"] = true
	}
	if !renamed {
		return out
	}
	texts := [][]string{nil} // one column for each effect
	for _, e := range kept {
		texts = choose(texts, []string{shown(e)})
	}
	for _, e := range pending {
		options := []string{"", shown(e)}
		if n := len(e.data); n > 0 {
			options = append(options, e.data[:n/2], strings.Repeat("\x00", n), e.data[:n/2]+strings.Repeat("\x00", n-n/2))
		}
		texts = choose(texts, options)
	}
	for _, parts := range texts {
		mode, data := "0600", ""
		for _, p := range parts {
			if m, ok := strings.CutPrefix(p, "mode "); ok {
				mode = m
			} else {
				data += p
			}
		}
		out[mode+" "+data] = true
	}
	return out
}

func shown(e effect) string {
	if e.kind == "mode" {
		return fmt.Sprintf("mode %04o", e.mode)
	}
	return e.data
}

func choose(before [][]string, options []string) [][]string {
	var out [][]string
	for _, parts := range before {
		for _, o := range options {
			out = append(out, append(slices.Clone(parts), o))
		}
	}
	return out
}

// wrong names the states of a trace in which the path holds anything but wholly the old or
// wholly the new file, or the old one although Replace has returned.
func wrong(trace []effect, data string) []string {
	whole := "0640 " + data
	var out []string
	for n := range len(trace) + 1 {
		for state := range states(trace[:n]) {
			if state != whole && (state != "old" || n == len(trace)) {
				out = append(out, fmt.Sprintf("after %v: %q", kinds(trace[:n]), state))
			}
		}
	}
	slices.Sort(out)
	return out
}

func kinds(trace []effect) []string {
	var out []string
	for _, e := range trace {
		out = append(out, e.kind)
	}
	return out
}

// S7: whatever the disk had kept when the power failed, the target is wholly the old or wholly
// the new file, and the new one once Replace has returned.
func TestFaultS7PowerLoss(t *testing.T) {
	for _, data := range []string{"", "new", "a new one of several writes"} {
		for _, old := range []bool{true, false} {
			path := filepath.Join(t.TempDir(), "app")
			if old {
				put(t, path, "old")
			}
			trace := record(t, path, []byte(data))
			for _, w := range wrong(trace, data) {
				t.Errorf("%q over an old file (%t): %s", data, old, w)
			}
			holds(t, path, data)
		}
	}
}

// The model finds what is left out or comes too late.
func TestFaultS7TheModelFindsMistakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app")
	trace := record(t, path, []byte("new one"))
	if got := strings.Join(kinds(trace), " "); got != "create write write mode fsync rename syncdir" {
		t.Errorf("the trace is %s", got)
	}
	at := func(kind string) int {
		return slices.IndexFunc(trace, func(e effect) bool { return e.kind == kind })
	}
	move := func(kind string, to int) []effect {
		i := at(kind)
		out := slices.Delete(slices.Clone(trace), i, i+1)
		return slices.Insert(out, to, trace[i])
	}
	without := func(kind string) []effect {
		return slices.DeleteFunc(slices.Clone(trace), func(e effect) bool { return e.kind == kind })
	}
	for name, mutant := range map[string][]effect{
		"no fsync":                   without("fsync"),
		"no fsync of the directory":  without("syncdir"),
		"fsync after the rename":     move("fsync", at("rename")),
		"fsync before the writes":    move("fsync", at("write")),
		"mode after the fsync":       move("mode", at("fsync")),
		"mode after everything":      move("mode", len(trace)-1),
		"rename before the writes":   move("rename", at("write")),
		"directory before the entry": move("syncdir", at("rename")),
	} {
		if len(wrong(mutant, "new one")) == 0 {
			t.Errorf("%s: nothing is found in %v", name, kinds(mutant))
		}
	}
}
