package engine

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"tidegate/hclspec"
)

// fileReads are the looks at files that an expression took by functions, or a rule takes.
// They count as configuration. It may be noted from several goroutines.
type fileReads struct {
	mutex sync.Mutex
	known map[hclspec.Read]fileFound // when the node was checked: whatever the data
	later map[hclspec.Read]fileFound // when it was evaluated: which ones depends on data
	done  bool                       // it was checked
	// generation counts the reloads that found something else at what was read later: then
	// the node means something else, although nothing that is known without data says so.
	generation int
}

// fileFound identifies what a look at a file found.
type fileFound struct {
	ok  bool
	sum [sha256.Size]byte
}

func foundIn(f hclspec.Found) fileFound {
	if !f.OK {
		return fileFound{}
	}
	return fileFound{true, sha256.Sum256(f.Content)}
}

// note remembers a look.
func (f *fileReads) note(r hclspec.Read, found hclspec.Found) {
	is := foundIn(found)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	into := &f.known
	if was, known := f.known[r]; f.done && known && was == is {
		return
	} else if f.done {
		into = &f.later
	}
	if *into == nil {
		*into = map[hclspec.Read]fileFound{}
	}
	(*into)[r] = is
}

// checked says that what is read from now on depends on data.
func (f *fileReads) checked() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.done = true
}

// all returns what was found last at each look.
func (f *fileReads) all() map[hclspec.Read]fileFound {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	out := make(map[hclspec.Read]fileFound, len(f.known)+len(f.later))
	maps.Copy(out, f.known)
	maps.Copy(out, f.later)
	return out
}

// write writes down what counts whatever the data.
func (f *fileReads) write(w io.Writer) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, r := range sortedReads(f.known) {
		fmt.Fprintf(w, "%s %q %q %t %x\n", r.Kind, r.Path, r.Pattern, f.known[r].ok, f.known[r].sum)
	}
}

func sortedReads[V any](m map[hclspec.Read]V) []hclspec.Read {
	return slices.SortedFunc(maps.Keys(m), func(a, b hclspec.Read) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Pattern, b.Pattern))
	})
}

// fileReads returns all there are.
func (p *program) fileReads() []*fileReads {
	out := []*fileReads{p.reads}
	for _, n := range p.readers {
		out = append(out, n.files)
	}
	return out
}

// disk looks at files as they are, also where stored ones are read.
func (p *program) disk() hclspec.FunctionOptions {
	opts := p.files
	opts.Stored, opts.Find = nil, nil
	return opts
}

// lookAgain repeats what the nodes of the program before read, each look once.
func (p *program) lookAgain() {
	for _, n := range p.before.readers {
		for r := range n.files.all() {
			p.found[r] = hclspec.Found{}
		}
	}
	reads := sortedReads(p.found)
	found := make([]hclspec.Found, len(reads))
	p.sideBySide(len(reads), func(i int) { found[i] = p.files.Again(reads[i]) })
	for i, r := range reads {
		p.found[r] = found[i]
	}
}

// moved reports whether anything is not as it was.
func (p *program) moved(f *fileReads) (known, later bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for r, was := range f.known {
		known = known || foundIn(p.found[r]) != was
	}
	for r, was := range f.later {
		later = later || foundIn(p.found[r]) != was
	}
	return known, later
}

// renewed is what a node starts with that is checked again: what was read later stays under
// observation until it is read anew.
func (p *program) renewed(f *fileReads, moved bool) *fileReads {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	out := &fileReads{generation: f.generation, later: make(map[hclspec.Read]fileFound, len(f.later))}
	if moved {
		out.generation++
	}
	for r := range f.later {
		out.later[r] = foundIn(p.found[r])
	}
	return out
}

// noteRuleFiles notes the files that make a rule what it is.
func (p *program) noteRuleFiles(n *node, paths []string) {
	if n.files == nil {
		n.files = &fileReads{}
	}
	for _, path := range paths {
		r := hclspec.Read{Kind: hclspec.ReadRule, Path: path}
		n.files.note(r, p.files.Again(r))
	}
}

// ruleFile identifies a rule's file as it was when the rule was made; false if it is not known.
func (p *program) ruleFile(n *node, path string) (fileFound, bool) {
	if n.files == nil {
		return fileFound{}, false
	}
	is, ok := n.files.all()[hclspec.Read{Kind: hclspec.ReadRule, Path: path}]
	return is, ok
}
