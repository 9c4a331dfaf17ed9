package file

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"tidegate/providers"
	"tidegate/providers/internal/durable"
)

// Config is the configuration of the sink.
type Config struct {
	Path          string  `hcl:"path" doc:"Path of the file. A relative one is below the module's directory. Links on the way are followed, a link at the path itself is refused."`
	Content       *string `hcl:"content,optional" doc:"Text to write, exactly as it is. Either this or content_base64 is needed."`
	ContentBase64 *string `hcl:"content_base64,optional" doc:"Bytes to write, in base64."`
	Mode          string  `hcl:"mode,optional" doc:"Permissions as an octal text such as \"0640\". Left out, those of the existing file stay; a new file gets 0644. For sensitive content both are narrowed to 0600."`
	Owner         string  `hcl:"owner,optional" doc:"User name or number that the file is to belong to; giving a file away needs root. Left out, the owner of the existing file stays where that is possible."`
	Group         string  `hcl:"group,optional" doc:"Group name or number; the user must be a member or root. Left out, the group of the existing file stays where that is possible."`
	CreateDirs    bool    `hcl:"create_dirs,optional" doc:"Make missing directories of the path, with mode 0755, or 0700 for sensitive content."`
}

func build(c *Config, env providers.Env) (providers.Sink, error) {
	path, badPath := absolute(c.Path, env.ModuleDir)
	content, badContent := contentOf(c)
	mode, badMode := parseMode(c.Mode)
	if err := errors.Join(badPath, badContent, badMode, checkOwner("owner", c.Owner), checkOwner("group", c.Group)); err != nil {
		return nil, err
	}
	sensitive := env.IsSensitive("content") || env.IsSensitive("content_base64")
	return &sink{
		path: path, content: content, hash: sha256.Sum256(content), sensitive: sensitive,
		mode: mode, owner: c.Owner, group: c.Group,
		options: durable.Options{Roots: env.WritePaths, Setting: "paths.write", Create: c.CreateDirs, Private: sensitive},
	}, nil
}

func checkOwner(attribute, value string) error {
	if value != "" && runtime.GOOS == "windows" {
		return providers.AttributeErrorf(attribute, "is not supported on Windows, where files have no such %s", attribute)
	}
	return nil
}

func absolute(path, dir string) (string, error) {
	switch {
	case path == "":
		return "", providers.AttributeErrorf("path", "is empty; the path of a file is needed")
	case strings.ContainsRune(path, 0):
		return "", providers.AttributeErrorf("path", "contains a NUL character, which no path can")
	case strings.HasSuffix(path, "/"), strings.HasSuffix(path, string(filepath.Separator)):
		return "", providers.AttributeErrorf("path", "%q names a directory; the path of a file is needed, for example %q", path, path+"config.json")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path), nil
}

func contentOf(c *Config) ([]byte, error) {
	switch {
	case c.Content != nil && c.ContentBase64 != nil:
		return nil, providers.AttributesErrorf([]string{"content_base64", "content"}, "cannot stand beside content; keep one of the two")
	case c.Content != nil:
		return []byte(*c.Content), nil
	case c.ContentBase64 == nil:
		return nil, providers.AttributesErrorf([]string{"content", "content_base64"}, "either content or content_base64 is needed")
	}
	data, err := base64.StdEncoding.DecodeString(*c.ContentBase64)
	if err != nil {
		return nil, providers.AttributeErrorf("content_base64", "is no valid base64: %w", err)
	}
	return data, nil
}

// unset is a mode that was not asked for; a mode of 0 cannot be.
const unset fs.FileMode = 0

func parseMode(text string) (fs.FileMode, error) {
	if text == "" {
		return unset, nil
	}
	bits, err := strconv.ParseUint(text, 8, 32)
	switch {
	case err != nil:
		return 0, providers.AttributeErrorf("mode", "%q is no octal number such as \"0640\"", text)
	case bits > 0o777:
		return 0, providers.AttributeErrorf("mode", "%q is beyond \"0777\": setuid, setgid and sticky bits have no use on a configuration file", text)
	case bits&0o400 == 0:
		return 0, providers.AttributeErrorf("mode", "%q does not let the owner read the file, so that its content could not be verified; add 0400", text)
	}
	return fs.FileMode(bits), nil
}

func modeText(m fs.FileMode) string { return fmt.Sprintf("%04o", m.Perm()) }
