package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine/view"
	"tidegate/hclspec"
	"tidegate/providers/userfile"
)

// errUnformatted is the exit code of fmt --check, which is terraform fmt's.
var errUnformatted = &exitError{3}

func (a *app) fmtCommand() *cobra.Command {
	f := formatting{app: a}
	cmd := &cobra.Command{
		Use:   "fmt [PATH...]",
		Short: "Rewrite configuration files in the canonical style",
		Long: "Rewrite *.hcl (with *.test.hcl) and *.hclvars files in the style that terraform fmt has,\n" +
			"byte for byte, and list those that were changed. PATH is a file, a directory, or - for\n" +
			"standard input; the current directory if left out. A file that does not parse is reported\n" +
			"and left as it is.",
		Args: noneEmpty("path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.check, "check", false, "write nothing; exit with 3 if a file is not formatted")
	flags.BoolVar(&f.diff, "diff", false, "show what changes, as diff -u does")
	flags.BoolVar(&f.recursive, "recursive", false, "subdirectories too")
	flags.BoolVar(&f.list, "list", true, "list the files that are not formatted")
	flags.BoolVar(&f.write, "write", true, "rewrite the files")
	return cmd
}

// noneEmpty allows any number of arguments but no empty one.
func noneEmpty(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return atMost(len(args), what)(cmd, args)
	}
}

// formatting is one run of fmt.
type formatting struct {
	*app
	check, diff, recursive, list, write bool

	base    string // that names are shown against
	changed int    // files that are or were not in style
	failed  bool
}

func (f *formatting) run(ctx context.Context, paths []string) error {
	f.base = f.path(".")
	for _, path := range paths {
		if path == "-" && len(paths) > 1 {
			return &usageError{"Too many arguments", "- stands for standard input, which is formatted alone."}
		}
	}
	if len(paths) == 1 && paths[0] == "-" {
		f.stdin()
		return f.outcome()
	}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for _, path := range paths {
		if ctx.Err() != nil {
			return errFailed
		}
		f.named(ctx, f.path(path))
	}
	return f.outcome()
}

func (f *formatting) outcome() error {
	switch {
	case f.failed:
		return errFailed
	case f.check && f.changed > 0:
		return errUnformatted
	}
	return nil
}

// stdin formats standard input to stdout.
func (f *formatting) stdin() {
	const name = "<stdin>"
	src, err := io.ReadAll(io.LimitReader(f.Stdin, hclspec.MaxFileBytes+1))
	if err != nil {
		f.trouble(problem("Cannot read standard input", err), nil)
		return
	}
	out, ok := f.formatted(name, src)
	if !ok {
		return
	}
	switch {
	case f.diff:
		_ = view.FormatDiff(f.Stdout, name, src, out, f.style(f.Stdout))
	case !f.check:
		_, _ = f.Stdout.Write(out)
	}
}

// named formats what was named on the command line.
func (f *formatting) named(ctx context.Context, path string) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.trouble(problem("No such file", fmt.Errorf("no file or directory at %s", path)), nil)
	case err != nil:
		f.trouble(problem("Cannot read a file", err), nil)
	case info.IsDir():
		f.directory(ctx, path)
	case !hclspec.Formattable(path):
		f.trouble(problem("Not a configuration file", fmt.Errorf("%s is neither .hcl nor .hclvars, which are all that has this style", path)), nil)
	default:
		f.file(ctx, path)
	}
}

// directory formats the files of a directory, without hidden ones and editors' backups.
func (f *formatting) directory(ctx context.Context, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.trouble(problem("Cannot read a directory", err), nil)
		return
	}
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(dir, e.Name())
		switch {
		case ctx.Err() != nil:
			f.failed = true
			return
		case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"), strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		case e.IsDir():
			if f.recursive {
				f.directory(ctx, path)
			}
		case hclspec.Formattable(name):
			f.file(ctx, path)
		}
	}
}

func (f *formatting) file(ctx context.Context, path string) {
	src, err := readRegular(path)
	if err != nil {
		f.trouble(problem("Cannot read a file", err), nil)
		return
	}
	name := f.shown(path)
	out, ok := f.formatted(name, src)
	if !ok || bytes.Equal(src, out) {
		return
	}
	if f.write && !f.check {
		if err := userfile.Replace(ctx, path, src, out); err != nil {
			f.trouble(problem("Cannot rewrite a file", err), nil)
			return
		}
	}
	if f.list {
		fmt.Fprintln(f.Stdout, name)
	}
	switch {
	case f.diff:
		_ = view.FormatDiff(f.Stdout, name, src, out, f.style(f.Stdout))
	case !f.list && !f.write && !f.check:
		_, _ = f.Stdout.Write(out)
	}
}

// formatted returns a text in style, and false if it has none.
func (f *formatting) formatted(name string, src []byte) ([]byte, bool) {
	if len(src) > hclspec.MaxFileBytes {
		f.trouble(problem("File too large", fmt.Errorf("%s is larger than 4 MiB and is left as it is", name)), nil)
		return nil, false
	}
	out, diags := hclspec.Format(src, name)
	if diags.HasErrors() {
		f.trouble(diags, map[string]*hcl.File{name: {Bytes: src, Body: hcl.EmptyBody()}})
		return nil, false
	}
	if !bytes.Equal(src, out) {
		f.changed++
	}
	return out, true
}

func (f *formatting) trouble(diags hcl.Diagnostics, files map[string]*hcl.File) {
	f.failed = true
	f.report(diags, files)
}

// shown is a file's name as seen from the current directory.
func (f *formatting) shown(path string) string {
	base, err := filepath.Abs(f.base)
	if err != nil {
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(base, abs); err == nil {
		return rel
	}
	return path
}

// readRegular reads a file of at most a byte more than is allowed, and nothing that would
// block, such as a named pipe.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, hclspec.MaxFileBytes+1))
}
