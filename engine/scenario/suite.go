package scenario

import (
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// Options say which tests are run.
type Options struct {
	// Engine is how the configuration is loaded. Its Registry has the real kinds; its Events
	// and Parallelism are not used.
	Engine engine.Options
	// Directory is a second place for files of tests, below the module's; "" for DefaultDirectory.
	Directory string
	// Filter are patterns, as of path.Match, for names of files and of runs; empty for all.
	Filter []string
	// Plans says that results are to hold the plans they are about.
	Plans bool
	// Events is called by the goroutine that runs the tests; nil for none.
	Events func(Event)
}

// DefaultDirectory is where files of tests may be beside the module's directory itself.
const DefaultDirectory = "tests"

// Status is what became of a run or file.
type Status string

// The statuses. The status of a file is the worst of its runs'.
const (
	Pass Status = "pass"
	Fail Status = "fail"  // an assertion does not hold, or something failed that was not to
	Err  Status = "error" // the test cannot be judged: something in it is wrong
	Skip Status = "skip"  // it was not tried, because of an interrupt
)

// Event is FileStarted, RunFinished or FileFinished.
type Event interface{ event() }

// The events of a suite, in order: each file starts, its runs finish, it finishes.
type (
	FileStarted  struct{ File *File }
	RunFinished  struct{ Result *RunResult }
	FileFinished struct{ Result *FileResult }
)

func (FileStarted) event()  {}
func (RunFinished) event()  {}
func (FileFinished) event() {}

// RunResult is what became of a run.
type RunResult struct {
	File        *File
	Run         *Run
	Status      Status
	Diagnostics hcl.Diagnostics
	Plan        *plan.Plan // of the last round, where Options.Plans asks for it
	Elapsed     time.Duration
}

// FileResult is what became of the runs of a file.
type FileResult struct {
	File    *File
	Status  Status
	Runs    []*RunResult
	Elapsed time.Duration
}

// Report is what became of a suite.
type Report struct{ Files []*FileResult }

// Count returns how many runs have a status.
func (r *Report) Count(s Status) int {
	n := 0
	for _, f := range r.Files {
		for _, run := range f.Runs {
			if run.Status == s {
				n++
			}
		}
	}
	return n
}

// Suite is a configuration with its tests, checked and ready to run.
type Suite struct {
	Files []*File // with the runs that the filter lets through

	opts     Options
	spec     *hclspec.Spec
	selected map[*Run]bool
	sources  map[string]*hcl.File
	programs []*program
}

// Load checks a configuration and reads its tests. With errors in the diagnostics nothing can
// be run; the Suite is never nil, and its Sources serve for showing them.
func Load(ctx context.Context, opts Options) (*Suite, hcl.Diagnostics) {
	s := &Suite{opts: opts, selected: map[*Run]bool{}, sources: map[string]*hcl.File{}}
	if s.opts.Engine.Dir == "" {
		s.opts.Engine.Dir = "."
	}
	e, diags := engine.Validate(ctx, s.opts.Engine)
	defer e.Close()
	s.spec = e.Spec()
	maps.Copy(s.sources, e.Files())
	if diags.HasErrors() {
		return s, diags
	}
	dir, sub := s.opts.Engine.Dir, s.opts.Directory
	if sub == "" {
		sub = DefaultDirectory
	}
	if !filepath.IsLocal(sub) {
		return s, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Invalid directory of tests",
			Detail: fmt.Sprintf("%s is not below the directory of the configuration. Name one relative to it, such as %q.", sub, DefaultDirectory),
		})
	}
	for _, place := range slices.Compact([]string{dir, filepath.Join(dir, sub)}) {
		names, more := hclspec.TestFiles(place)
		diags = append(diags, more...)
		for _, name := range names {
			f, more := read(name, shown(dir, name), s.spec)
			diags = append(diags, more...)
			if f.content != nil {
				s.sources[name] = f.content
			}
			s.Files = append(s.Files, f)
		}
	}
	if diags.HasErrors() {
		return s, diags
	}
	return s, append(diags, s.filter()...)
}

// Sources are the files that diagnostics point into.
func (s *Suite) Sources() map[string]*hcl.File { return s.sources }

// Selected reports whether the filter lets a run through. The others of its file are only
// tried as far as it builds on what they apply.
func (s *Suite) Selected(r *Run) bool { return s.selected[r] }

// filter chooses the runs that are asked for.
func (s *Suite) filter() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, pattern := range s.opts.Filter {
		found := false
		_, err := path.Match(pattern, "")
		for _, f := range s.Files {
			for _, r := range f.Runs {
				if err == nil && matches(pattern, f, r) {
					found, s.selected[r] = true, true
				}
			}
		}
		switch {
		case err != nil:
			diags = append(diags, filterError("%q is no pattern: a [ is never closed, or the last character is a backslash.", pattern))
		case !found:
			diags = append(diags, filterError("No file of tests and no run is called %s.%s", pattern, didYouMean(pattern, s.names())))
		}
	}
	if len(s.opts.Filter) == 0 {
		for _, f := range s.Files {
			for _, r := range f.Runs {
				s.selected[r] = true
			}
		}
		return diags
	}
	s.Files = slices.DeleteFunc(s.Files, func(f *File) bool { return !slices.ContainsFunc(f.Runs, s.Selected) })
	return diags
}

func filterError(detail string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Nothing matches the filter", Detail: fmt.Sprintf(detail, args...)}
}

func matches(pattern string, f *File, r *Run) bool {
	for _, name := range []string{f.Name, path.Base(f.Name), filepath.ToSlash(f.Path), r.Name, f.Name + "/" + r.Name} {
		if ok, _ := path.Match(pattern, name); ok || pattern == name {
			return true
		}
	}
	return false
}

func (s *Suite) names() []string {
	var out []string
	for _, f := range s.Files {
		out = append(out, f.Name)
		for _, r := range f.Runs {
			out = append(out, r.Name)
		}
	}
	return out
}

// Run goes through all runs, in the order of their files' names and within a file as written.
// A context that is done skips what was not begun.
func (s *Suite) Run(ctx context.Context) *Report {
	report := &Report{}
	for _, f := range s.Files {
		s.tell(FileStarted{f})
		result := s.file(ctx, f)
		s.tell(FileFinished{result})
		report.Files = append(report.Files, result)
	}
	return report
}

func (s *Suite) tell(e Event) {
	if s.opts.Events != nil {
		s.opts.Events(e)
	}
}

// file goes through the runs of one file, those included that selected ones build on.
func (s *Suite) file(ctx context.Context, f *File) *FileResult {
	out := &FileResult{File: f, Status: Pass}
	start := time.Now()
	t := &session{suite: s, file: f, worlds: map[string]*world{}, results: map[string]cty.Value{}}
	left := 0
	for _, r := range f.Runs {
		if s.selected[r] {
			left++
		}
	}
	for _, r := range f.Runs {
		if left == 0 {
			break
		}
		if !s.selected[r] && !r.apply && !f.refersToRuns {
			continue
		}
		result := &RunResult{File: f, Run: r, Status: Skip}
		if ctx.Err() == nil {
			begin := time.Now()
			result = t.run(ctx, r)
			result.Elapsed = time.Since(begin)
		}
		if !s.selected[r] {
			continue
		}
		left--
		out.Runs = append(out.Runs, result)
		out.Status = worse(out.Status, result.Status)
		s.tell(RunFinished{result})
	}
	out.Elapsed = time.Since(start)
	return out
}

func worse(a, b Status) Status {
	order := []Status{Pass, Skip, Fail, Err}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// program is the configuration, loaded with certain values and environment.
type program struct {
	variables map[string]hclspec.VariableInput
	environ   map[string]string
	unread    []address.Address
	engine    *engine.Engine
	stage     *stage
	diags     hcl.Diagnostics
}

// maxPrograms bounds how many loaded configurations are kept: runs with the same variables
// share one.
const maxPrograms = 16

// program loads the configuration for runs that mock these sources, or has it already.
func (s *Suite) program(ctx context.Context, variables map[string]hclspec.VariableInput, environ map[string]string, mocked []address.Address) *program {
	p := s.loaded(ctx, variables, environ, nil)
	if unread := slices.DeleteFunc(mocked, func(a address.Address) bool { return !p.stage.rereads(a) }); len(unread) > 0 {
		return s.loaded(ctx, variables, environ, unread)
	}
	return p
}

func (s *Suite) loaded(ctx context.Context, variables map[string]hclspec.VariableInput, environ map[string]string, unread []address.Address) *program {
	for _, p := range s.programs {
		if maps.Equal(p.environ, environ) && maps.EqualFunc(p.variables, variables, sameInput) && slices.Equal(p.unread, unread) {
			return p
		}
	}
	p := &program{variables: variables, environ: environ, unread: unread, stage: newStage(s.spec.Dir)}
	p.stage.unread = unread
	opts := s.opts.Engine
	registry, err := p.stage.registry(opts.Registry)
	if err != nil {
		panic("scenario: " + err.Error()) // the real one had the same names
	}
	opts.Registry, opts.Inputs, opts.Events = registry, variables, p.stage.event
	opts.Parallelism = 1 // so that what is delivered has an order
	opts.Environ = slices.Clone(opts.Environ)
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		opts.Environ = append(opts.Environ, name+"="+environ[name])
	}
	p.engine, p.diags = engine.Load(ctx, opts)
	if len(s.programs) == maxPrograms {
		s.programs = slices.Delete(s.programs, 0, 1)
	}
	s.programs = append(s.programs, p)
	return p
}

func sameInput(a, b hclspec.VariableInput) bool {
	return a.Range == b.Range && a.Source == b.Source && a.Value.RawEquals(b.Value)
}

// errorsOf are the errors among diagnostics.
func errorsOf(diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(slices.Clone(diags), func(d *hcl.Diagnostic) bool { return d.Severity != hcl.DiagError })
}

// sentence ends a text that may already be one.
func sentence(s string) string { return strings.TrimSuffix(s, ".") + "." }
