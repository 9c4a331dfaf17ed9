package hclspec

import (
	"bytes"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// A Read is one look at the file system whose outcome counts as configuration.
type Read struct {
	Kind    ReadKind
	Path    string // absolute
	Pattern string // of a ReadSet, else ""
}

// ReadKind says what was looked for.
type ReadKind string

// The kinds. What is found of ReadExists has no content; that of ReadSet is the names that
// matched, sorted, with a zero byte between them.
const (
	ReadConfig ReadKind = "config" // an .hcl or .hcl.json file
	ReadInput  ReadKind = "input"  // a file of values for variables
	ReadFile   ReadKind = "file"   // by a function
	ReadExists ReadKind = "exists" // by fileexists
	ReadSet    ReadKind = "set"    // by fileset
	ReadRule   ReadKind = "rule"   // by a rule, which knows itself where it may read
	ReadLock   ReadKind = "lock"   // the lock file of modules from git
)

// Found is the outcome of a Read.
type Found struct {
	Content []byte
	OK      bool // false: there is nothing, or it cannot be read
}

// Stored is what a configuration was made of at some time. Where one is given, it is read
// instead of the disk. Files that functions read and that it does not know are read from the
// disk all the same: which ones they are may depend on data. Relative paths resolve against
// the real directory.
type Stored map[Read]Found

// Tree is a configuration as it was at some time, with all that stood around it. Where one is
// given, it is read instead of the disk.
type Tree struct {
	Stored Stored // the files of the configuration and of values for variables
	// Directory returns the files of a directory that is called as a module, and false for one
	// that the tree knows nothing of, which is read from the disk.
	Directory func(dir string) (Stored, bool)
	// Find answers for what functions and rules read, and false for what the tree knows
	// nothing of, which is read from the disk. It may be called from several goroutines.
	Find func(Read) (Found, bool)
}

// find answers a read from what was stored, or from a tree.
func (o FunctionOptions) find(r Read) (Found, bool) {
	found, ok := o.Stored[r]
	if !ok && o.Find != nil {
		found, ok = o.Find(r)
	}
	return found, ok
}

// Instead returns the content that a rule's file has instead of that on the disk, false where
// the disk is to be read.
func (o FunctionOptions) Instead(path string) ([]byte, bool) {
	found, ok := o.find(Read{Kind: ReadRule, Path: path})
	return found.Content, ok && found.OK
}

// Sources returns what the Spec was made of: its files, and after CollectInputs those of
// values. The bytes are shared.
func (s *Spec) Sources() Stored {
	out := Stored{}
	for _, p := range s.parsed {
		if p.file != nil {
			out[Read{Kind: ReadConfig, Path: absolute(p.path)}] = Found{p.file.Bytes, true}
		}
	}
	for _, child := range s.children {
		maps.Copy(out, child.Sources())
	}
	if s.locked != nil {
		out[Read{Kind: ReadLock, Path: filepath.Join(s.Dir, LockFileName)}] = Found{s.locked, true}
	}
	for _, path := range s.inputs {
		if f := s.Files[path]; f != nil {
			out[Read{Kind: ReadInput, Path: absolute(path)}] = Found{f.Bytes, true}
		}
	}
	return out
}

// KindOf says as what a file of a configuration's directory is read, by its name: ReadConfig,
// ReadInput or ReadLock, false for none of them.
func KindOf(name string) (ReadKind, bool) {
	switch {
	case name == LockFileName:
		return ReadLock, true
	case IsConfigFile(name):
		return ReadConfig, true
	case slices.Contains(wholeFiles, name) || isAutoFile(name):
		return ReadInput, true
	}
	return "", false
}

// ReadsOf lists the files that a configuration in dir is made of as the directory is now, beside
// those of --var-file and of functions.
func ReadsOf(dir string) []Read {
	dir = absolute(dir)
	var out []Read
	names, _ := configFiles(dir)
	for _, name := range names {
		out = append(out, Read{Kind: ReadConfig, Path: filepath.Join(dir, name)})
	}
	for _, path := range (&Spec{}).InputFiles(dir) {
		out = append(out, Read{Kind: ReadInput, Path: path})
	}
	return out
}

// Unread reports whether there are files of the configuration that could not be read.
func (s *Spec) Unread() bool {
	return slices.ContainsFunc(s.parsed, func(p *parsedFile) bool { return p.file == nil }) || slices.ContainsFunc(s.children, (*Spec).Unread)
}

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil { // no working directory
		return filepath.Clean(path)
	}
	return abs
}

// configFiles lists the names of the directory's configuration files, sorted.
func (s Stored) configFiles(dir string) ([]string, hcl.Diagnostics) {
	if s == nil {
		return configFiles(dir)
	}
	return s.names(ReadConfig, dir, IsConfigFile), nil
}

// inputFiles lists the directory's files of values in the order in which they are read.
func (s Stored) inputFiles(dir string) []string {
	names := s.names(ReadInput, dir, func(name string) bool { return slices.Contains(wholeFiles, name) })
	names = append(names, s.names(ReadInput, dir, isAutoFile)...)
	for i, name := range names {
		names[i] = filepath.Join(dir, name)
	}
	return names
}

func (s Stored) names(kind ReadKind, dir string, want func(string) bool) []string {
	dir = absolute(dir)
	var out []string
	for r := range maps.Keys(s) {
		if name := filepath.Base(r.Path); r.Kind == kind && filepath.Dir(r.Path) == dir && want(name) {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, strings.Compare)
	return out
}

// readConfig reads a file of the configuration.
func (s Stored) readConfig(kind ReadKind, path string, into *bytes.Buffer) *hcl.Diagnostic {
	if s == nil {
		return readConfig(path, into)
	}
	found := s[Read{Kind: kind, Path: absolute(path)}]
	if !found.OK {
		return unreadableFile(path, fs.ErrNotExist)
	}
	into.Write(found.Content)
	return nil
}

// Again repeats a read, or takes the first of a rule or of a Spec, and returns what comes of it.
func (o FunctionOptions) Again(read Read) Found {
	o.OnRead = nil
	r := &fileReader{opts: o}
	content, err := r.look(read, read.Path)
	return Found{Content: content, OK: err == nil}
}
