package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// starter is the configuration that init writes. It validates, plans and applies as it is.
//
//go:embed starter
var starter embed.FS

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a commented starter configuration",
		Long:  "Write a commented starter configuration. A directory that has one is left as it is.",
		Args:  atMost(1, "directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.init(a.directory(args))
		},
	}
}

func (a *app) init(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return a.failWith("Cannot make the directory", err, false)
	}
	files, err := starter.ReadDir("starter")
	if err != nil {
		return err
	}
	if err := untouched(dir, files); err != nil {
		return a.failWith("There is a configuration already", err, false)
	}
	for _, f := range files {
		data, err := starter.ReadFile("starter/" + f.Name())
		if err == nil {
			err = writeNew(filepath.Join(dir, f.Name()), data)
		}
		if err != nil {
			return a.failWith("Cannot write the configuration", err, false)
		}
		fmt.Fprintf(a.Stdout, "Wrote %s\n", filepath.Join(dir, f.Name()))
	}
	where := ""
	if dir != "." {
		where = " " + dir
	}
	_, err = fmt.Fprintf(a.Stdout, "\nNext: tidegate plan%s, then tidegate apply%s.\n", where, where)
	return err
}

// untouched refuses a directory with a configuration, or with a file that would be overwritten.
func untouched(dir string, files []fs.DirEntry) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		config := strings.HasSuffix(e.Name(), ".hcl") || strings.HasSuffix(e.Name(), ".hcl.json")
		for _, f := range files {
			config = config || e.Name() == f.Name()
		}
		if config {
			return fmt.Errorf("%s exists; nothing was written. Name an empty directory, or edit what is there", filepath.Join(dir, e.Name()))
		}
	}
	return nil
}

// writeNew never overwrites.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
