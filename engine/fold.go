package engine

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec/address"
)

// What is wrong with a repeated block, or in a module that is called with for_each, is as a rule
// wrong with all instances. It is said once, of the first of them.

// instanceNote says of which instance a diagnostic is, as its Extra.
type instanceNote struct {
	address address.Address
	other   address.Address // of another instance that its detail names, else zero
	extra   any             // what it was before
}

// UnwrapDiagnosticExtra is how package hcl gets at what else a diagnostic carries.
func (i *instanceNote) UnwrapDiagnosticExtra() any { return i.extra }

// ofInstance notes of which address diagnostics are, where there may be other instances.
func ofInstance(a address.Address, diags hcl.Diagnostics) hcl.Diagnostics {
	if a.Key == address.NoKey && !strings.Contains(string(a.Module), "[") {
		return diags
	}
	for i, d := range diags {
		if _, noted := d.Extra.(*instanceNote); !noted {
			diags[i] = withNote(d, &instanceNote{address: a})
		}
	}
	return diags
}

func withNote(d *hcl.Diagnostic, note *instanceNote) *hcl.Diagnostic {
	note.extra = d.Extra
	out := *d
	out.Extra = note
	return &out
}

// trialKey stands for the keys that nobody knows yet.
var trialKey = address.StringKey("...")

// shown is what the instance is called: a block, or the instance of the module that a value is in.
func (i *instanceNote) shown() string {
	name := i.address.String()
	if i.address.Type != address.Check && !i.address.Type.HasKind() {
		name = string(i.address.Module)
	}
	if strings.Contains(name, trialKey.String()) {
		return ""
	}
	return name
}

// plain is a text in which the names of the instance are those of any.
func (i *instanceNote) plain(text string) string {
	for _, a := range []address.Address{i.address, i.other} {
		if a.IsZero() || !strings.Contains(text, "[") {
			continue
		}
		text = strings.ReplaceAll(text, a.String(), a.Block().String()+"[*]")
		if a.Module != address.Root {
			text = strings.ReplaceAll(text, string(a.Module), "")
		}
		if a.Key != address.NoKey {
			text = strings.ReplaceAll(text, a.Key.String(), "[*]")
		}
		for _, step := range a.Module.Steps() {
			if step.Key != address.NoKey {
				text = strings.ReplaceAll(text, step.Key.String(), "[*]")
			}
		}
	}
	return text
}

// fold says what holds for several instances once. Repetitions are dropped: a mistake in an
// expression that is evaluated twice is one complaint.
func fold(diags hcl.Diagnostics) hcl.Diagnostics {
	type key struct {
		severity        hcl.DiagnosticSeverity
		summary, detail string
		subject         hcl.Range
	}
	type found struct {
		place     int
		instances map[address.Address]bool // nil for what is of no instance
	}
	seen := make(map[key]*found, len(diags))
	var out hcl.Diagnostics
	for _, d := range diags {
		k := key{severity: d.Severity, summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			k.subject = *d.Subject
		}
		note, ofOne := d.Extra.(*instanceNote)
		if ofOne {
			k.detail = "\x00" + note.plain(d.Detail)
		}
		first := seen[k]
		if first == nil {
			first = &found{place: len(out)}
			seen[k] = first
			out = append(out, d)
			if ofOne {
				first.instances = map[address.Address]bool{}
			}
		}
		if ofOne {
			first.instances[note.address] = true
			if now := out[first.place].Extra.(*instanceNote); note.address.Compare(now.address) < 0 {
				out[first.place] = d // what is done side by side fails in no order
			}
		}
	}
	for _, f := range seen {
		if f.instances != nil {
			out[f.place] = spoken(out[f.place], len(f.instances)-1)
		}
	}
	return out
}

// spoken is a diagnostic of one instance that says so, and for how many others it holds.
func spoken(d *hcl.Diagnostic, others int) *hcl.Diagnostic {
	note := d.Extra.(*instanceNote)
	out := *d
	out.Extra = note.extra
	name := note.shown()
	if strings.Contains(d.Detail, name) { // also where there is none
		name = ""
	}
	same := "The same holds for 1 other instance."
	if others > 1 {
		same = fmt.Sprintf("The same holds for %d other instances.", others)
	}
	switch {
	case name != "" && others > 0:
		out.Detail += fmt.Sprintf("\n\nThis is about %s. %s", name, same)
	case name != "":
		out.Detail += fmt.Sprintf("\n\nThis is about %s.", name)
	case others > 0:
		out.Detail += "\n\n" + same
	}
	return &out
}
