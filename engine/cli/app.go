package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine/view"
	"tidegate/providers"
)

// app is one run of the tool.
type app struct {
	Process
	registry *providers.Registry
	out      *output // Stdout

	chdir   string
	noColor bool
}

// exitError ends the process with a code; whatever there was to say has been said.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// errFailed is the exit code of an error.
var errFailed = &exitError{1}

// Run runs one command and returns its exit code.
func Run(ctx context.Context, p Process, kinds []*providers.Kind) int {
	a := &app{Process: p, out: &output{w: p.Stdout}}
	a.Stdout = a.out
	registry, err := providers.NewRegistry(kinds)
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	a.registry = registry
	root := a.root()
	args := normalise(p.Args, takesValue(root))
	root.SetArgs(args)
	ran := root.ExecuteContext(ctx)
	code := 1
	if err := a.out.failed(); err == nil || !errors.Is(ran, err) {
		code = a.code(ran, root, args)
	}
	if err := a.out.failed(); err != nil {
		if !errors.Is(err, syscall.EPIPE) {
			fmt.Fprintln(p.Stderr, "Error: writing the result failed:", err)
		}
		return 1
	}
	return code
}

func (a *app) code(err error, root *cobra.Command, args []string) int {
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	}
	var usage *usageError
	if !errors.As(err, &usage) {
		usage = usageOf(err, root)
	}
	diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: usage.summary, Detail: usage.detail}}
	cmd, _, _ := root.Find(args)
	switch {
	case !wantsJSON(args):
		a.report(diags, nil)
	case cmd != nil && cmd.Name() == "apply" && slices.Contains(args, "--watch"):
		for _, line := range view.DiagnosticEvents(diags, view.Sources{}, time.Now()) {
			_, _ = a.Stdout.Write(append(line, '\n'))
		}
		a.report(diags, nil)
	case cmd != nil && (cmd.Name() == "apply" || cmd.Name() == "destroy" || cmd.Name() == "test"):
		a.stream().Diagnostics(diags, view.Sources{})
		a.report(diags, nil)
	default:
		a.fail(diags, nil, true)
	}
	return 1
}

// output keeps the first error of stdout, so that no command needs to look at each write.
type output struct {
	w     io.Writer
	mutex sync.Mutex
	err   error
}

func (o *output) Write(p []byte) (int, error) {
	if err := o.failed(); err != nil {
		return 0, err
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.mutex.Lock()
		o.err = err
		o.mutex.Unlock()
	}
	return n, err
}

func (o *output) failed() error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.err
}

// report writes diagnostics to stderr.
func (a *app) report(diags hcl.Diagnostics, files map[string]*hcl.File) {
	_ = view.Diagnostics(a.Stderr, diags, a.sources(files), a.style(a.Stderr))
}

// fail writes diagnostics to stderr and, for a program, to stdout.
func (a *app) fail(diags hcl.Diagnostics, files map[string]*hcl.File, asJSON bool) error {
	if asJSON {
		_ = view.DiagnosticsJSON(a.Stdout, diags, a.sources(files))
	}
	a.report(diags, files)
	return errFailed
}

// failWith is fail for an error that points nowhere.
func (a *app) failWith(summary string, err error, asJSON bool) error {
	return a.fail(problem(summary, err), nil, asJSON)
}

func problem(summary string, err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: sentence(err.Error())}}
}

// sentence makes an error's text one: Go's begin small and end without a stop. What begins
// with a name (of a file, an attribute, an address) keeps it as it is written.
func sentence(s string) string {
	s = strings.TrimRight(s, "\n")
	if s == "" {
		return s
	}
	first, size := utf8.DecodeRuneInString(s)
	word, _, _ := strings.Cut(s, " ")
	if strings.IndexFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && r != '-' && r != ',' }) < 0 {
		s = string(unicode.ToUpper(first)) + s[size:]
	}
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

func (a *app) sources(files map[string]*hcl.File) view.Sources {
	base, _ := os.Getwd() // without one, names stay as they are
	return view.Sources{Files: files, Base: base}
}

// path resolves a path of the command line against --chdir.
func (a *app) path(p string) string {
	if a.chdir == "" || p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(a.chdir, p)
}

// directory returns the directory that the arguments name.
func (a *app) directory(args []string) string {
	if len(args) == 0 || args[0] == "" {
		return a.path(".")
	}
	return a.path(args[0])
}
