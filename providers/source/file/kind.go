package file

import (
	"path/filepath"
	"strings"

	"tidegate/providers"
	"tidegate/providers/internal/durable"
)

// Config is the configuration of the source.
type Config struct {
	Path      string `hcl:"path" doc:"Path of a file, or of a directory whose files are to be read. A relative one is below the module's directory."`
	Recursive bool   `hcl:"recursive,optional" doc:"Read the subdirectories of a directory too."`
}

// Kind declares the source.
func Kind() *providers.Kind {
	return providers.SourceKind("file", providers.Doc{
		Summary: "Reads a file, or all files of a directory, on the local disk.",
		Description: `
The ending of the path chooses the decoder unless ` + "`decode`" + ` is set. A directory gives a map of
relative name (with slashes) to decoded value, sorted by name: its regular files without those whose name
begins with a dot, and with ` + "`recursive`" + ` those of its subdirectories.

Symbolic links to files are followed; inside a directory they may not lead out of it. So a mounted
Kubernetes ConfigMap can be read as it is: its hidden ` + "`..data`" + ` is passed over, the links beside
it are followed, and if its generation is swapped during the look, the look starts again, so that a value
is never a mixture of two generations. Links to directories inside a directory are passed over. With
` + "`paths.read`" + ` set, nothing outside of the allowed directories is read, whatever links lead there.

A file that does not exist, cannot be read, is a pipe, a socket or a device, exceeds ` + "`max_bytes`" + `
(for a directory: all its files together), or keeps changing while it is read is a failed look: the
accepted value stays in use. A missing file is never the same as an empty one. A file system that does
not answer fails the look at its deadline.

Under ` + "`apply --watch`" + ` changes are told by the operating system (detector ` + "`watch`" + `, the default).`,
		Example: `
source "file" "defaults" {
  path = "defaults.yaml"
}

source "file" "tenants" {
  path      = "/etc/myapp/tenants.d"
  recursive = true
}`,
		Detectors: []string{"watch", "hash", "webhook"},
	}, func() *Config { return &Config{} }, build)
}

func build(c *Config, env providers.Env) (providers.Source, error) {
	switch {
	case c.Path == "":
		return nil, providers.AttributeErrorf("path", "is empty; the path of a file or directory is needed")
	case strings.ContainsRune(c.Path, 0):
		return nil, providers.AttributeErrorf("path", "contains a NUL character, which no path can")
	}
	path := c.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(env.ModuleDir, path)
	}
	return &source{
		path: filepath.Clean(path), recursive: c.Recursive,
		options: durable.Options{Roots: env.ReadPaths, Setting: "paths.read"},
	}, nil
}
