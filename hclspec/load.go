package hclspec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec/address"
)

// Load reads the module in dir: all *.hcl and *.hcl.json files except *.test.hcl and
// *.test.hcl.json, hidden files and editors' backups. Files are parsed side by side; the
// result does not depend on timing.
//
// The Spec is never nil. With errors in the diagnostics it holds what could be read, and
// must not be applied. References are not resolved: see Spec.Resolve.
func Load(dir string) (*Spec, hcl.Diagnostics) { return LoadWith(dir, LoadOptions{}) }

// LoadOptions say what a load takes from before.
type LoadOptions struct {
	// Previous is the Spec of the same directory as it was. Files whose bytes are equal are
	// read and compared, not parsed: what they declare is taken from it, the same pointers.
	Previous *Spec
	// Stored is read instead of the disk; nil for the disk.
	Stored Stored
	// Settings says that nothing but Settings is wanted: only files that may hold the tidegate
	// block are parsed, and there is no more in the Spec than they declare.
	Settings bool

	// Directory, where a stored configuration is read, returns the files of another directory of
	// it, which are added to Stored, and false for one that is to be read from the disk.
	Directory func(dir string) (Stored, bool)
	// Fetch brings the module of a source and says what the lock file is to say of it; nil for
	// what the lock file says. What is there is checked against it then.
	Fetch func(ModuleSource) (LockedModule, error)

	inner bool // it is called as a module: whoever calls it loads what it calls
}

// LoadWith is Load that takes something from before. Its result is that of Load, with the
// same diagnostics.
func LoadWith(dir string, opts LoadOptions) (*Spec, hcl.Diagnostics) {
	spec := newSpec(dir)
	spec.stored = opts.Stored
	names, diags := opts.Stored.configFiles(dir)
	if diags.HasErrors() {
		return spec, diags
	}
	if before := opts.Previous; before != nil && before.Dir == spec.Dir {
		spec.blocks = make(map[address.Address]*Block, len(before.Blocks))
		spec.Blocks = make([]*Block, 0, len(before.Blocks))
	} else {
		opts.Previous = nil
	}
	spec.parsed = parseAll(dir, names, opts)
	sum := sha256.New()
	m := merger{spec: spec}
	for i, p := range spec.parsed {
		diags = append(diags, p.diags...)
		fmt.Fprintf(sum, "%q %x\n", names[i], p.sum)
		if p.file != nil {
			spec.Files[p.path] = p.file
		}
		for _, d := range p.declared {
			diags = append(diags, m.declare(d)...)
		}
	}
	diags = append(diags, m.finish()...)
	if !opts.inner && !opts.Settings {
		diags = append(diags, spec.loadModules(opts)...)
		for _, child := range spec.children {
			rel, _ := filepath.Rel(spec.Dir, child.Dir)
			fmt.Fprintf(sum, "%q %s\n", filepath.ToSlash(rel), child.Hash)
		}
	}
	spec.Hash = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	diags = spec.WithoutConsequences(diags)
	sortDiagnostics(diags)
	return spec, diags
}

func newSpec(dir string) *Spec {
	abs, err := filepath.Abs(dir)
	if err != nil { // no working directory
		abs = filepath.Clean(dir)
	}
	return &Spec{
		Dir:       abs,
		Variables: map[string]*Variable{},
		Locals:    map[string]*Local{},
		Outputs:   map[string]*Output{},
		Checks:    map[string]*Check{},
		Modules:   map[string]*ModuleCall{},
		given:     dir,
		called:    map[string]*Spec{},
		Files:     map[string]*hcl.File{},
		blocks:    map[address.Address]*Block{},
	}
}

// configFiles lists the names of the directory's configuration files, sorted.
func configFiles(dir string) ([]string, hcl.Diagnostics) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, hcl.Diagnostics{unreadableDirectory(dir, err)}
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && IsConfigFile(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, hcl.Diagnostics{errorWithoutPlace("No configuration files",
			"The directory %s holds no .hcl files. Name the directory that does, or write a first configuration with \"tidegate init\".", dir)}
	}
	return names, nil
}

func unreadableDirectory(dir string, err error) *hcl.Diagnostic {
	if os.IsNotExist(err) {
		return errorWithoutPlace("Directory not found", "There is no directory %s. Name the directory that holds the .hcl files.", dir)
	}
	if info, statErr := os.Stat(dir); statErr == nil && !info.IsDir() {
		return errorWithoutPlace("Not a directory", "%s is a file. A configuration is a directory of .hcl files: name that, for example %s.", dir, filepath.Dir(dir))
	}
	return errorWithoutPlace("Directory cannot be read", "Reading the directory %s failed: %s.", dir, err)
}

// IsConfigFile reports whether a file of this name, in the directory of a module, is part of
// it. Files of tests are not, nor is the lock file.
func IsConfigFile(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || name == LockFileName {
		return false
	}
	base, ok := strings.CutSuffix(name, ".hcl")
	if !ok {
		base, ok = strings.CutSuffix(name, ".hcl.json")
	}
	return ok && !strings.HasSuffix(base, ".test")
}

// parseAll reads and parses the files with a bounded number of workers. Results stand at
// the index of their name.
func parseAll(dir string, names []string, opts LoadOptions) []*parsedFile {
	before := map[string]*parsedFile{}
	if opts.Previous != nil {
		for _, p := range opts.Previous.parsed {
			before[p.path] = p
		}
	}
	out := make([]*parsedFile, len(names))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.NumCPU(), len(names)) {
		wg.Go(func() {
			var buf bytes.Buffer
			for i := range next {
				path := filepath.Join(dir, names[i])
				out[i] = opts.parseFile(path, before[path], &buf)
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}
