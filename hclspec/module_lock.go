package hclspec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// LockFileName is the file, beside the root module, that says which commits modules from git
// are of and what they hold. It belongs under version control and is no configuration.
const LockFileName = "tidegate.lock.hcl"

// modulesDir is where modules from git are, below the root module.
var modulesDir = filepath.Join(".tidegate", "modules")

// ModulesDir returns the directory that holds the modules from git of a configuration.
func ModulesDir(root string) string { return filepath.Join(root, modulesDir) }

// A LockedModule is what the lock file says of a source.
type LockedModule struct {
	Source string // as ModuleSource.String writes it
	Commit string // in full
	Hash   string // of what its directory holds, as HashModule has it
}

// A ModuleLock is the content of a lock file, by source.
type ModuleLock map[string]LockedModule

// CheckoutDir returns where a commit of a repository is below the root module. All sources of
// one repository and commit share it.
func CheckoutDir(root, repository, commit string) string {
	name := "module"
	if u, err := url.Parse(repository); err == nil {
		name = notInNames.ReplaceAllString(strings.TrimSuffix(path.Base(u.Path), ".git"), "_")
	}
	sum := sha256.Sum256([]byte(repository + "\n" + commit))
	return filepath.Join(root, modulesDir, name+"-"+hex.EncodeToString(sum[:8]))
}

// IsCheckout reports whether a name in the directory of modules is one that CheckoutDir gives.
func IsCheckout(name string) bool { return checkoutName.MatchString(name) }

var checkoutName = regexp.MustCompile(`^[A-Za-z0-9_-]+-[0-9a-f]{16}$`)

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_-]`)

const lockHead = `# Written by "tidegate get". Keep this file under version control, and do not edit it: it says which
# commits the modules from git are of, and what they hold.
`

// Bytes writes a lock file.
func (l ModuleLock) Bytes() []byte {
	f := hclwrite.NewEmptyFile()
	for _, source := range sortedKeys(l) {
		f.Body().AppendNewline()
		b := f.Body().AppendNewBlock("module", []string{source}).Body()
		b.SetAttributeValue("commit", cty.StringVal(l[source].Commit))
		b.SetAttributeValue("hash", cty.StringVal(l[source].Hash))
	}
	return append([]byte(lockHead), f.Bytes()...)
}

// lockSchema is the form of a lock file.
type lockSchema struct {
	Modules []struct {
		Source string `hcl:"source,label"`
		Commit string `hcl:"commit"`
		Hash   string `hcl:"hash"`
	} `hcl:"module,block"`
}

// ParseModuleLock reads the bytes of a lock file; name is for its diagnostics.
func ParseModuleLock(src []byte, name string) (ModuleLock, hcl.Diagnostics) {
	body, diags := parseBytes(src, name)
	if body == nil || diags.HasErrors() {
		return nil, diags
	}
	var content lockSchema
	if diags := gohcl.DecodeBody(body, nil, &content); diags.HasErrors() {
		return nil, diags
	}
	out := ModuleLock{}
	for _, m := range content.Modules {
		_, twice := out[m.Source]
		if twice || !commitName.MatchString(m.Commit) || !contentHash.MatchString(m.Hash) {
			return nil, hcl.Diagnostics{errorAt(fileStart(name), "Invalid lock file",
				"What %s says of %q is no commit and hash, or stands there twice. Restore the file from version control, or remove it and run \"tidegate get\".", name, m.Source)}
		}
		out[m.Source] = LockedModule(m)
	}
	return out, nil
}

var contentHash = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ReadModuleLock reads the lock file of a root module. A missing one is empty. The file is for
// the snippets of diagnostics, nil where there is none.
func ReadModuleLock(root string) (ModuleLock, *hcl.File, hcl.Diagnostics) {
	return Stored(nil).lock(root)
}

func (s Stored) lock(root string) (ModuleLock, *hcl.File, hcl.Diagnostics) {
	name := filepath.Join(root, LockFileName)
	if s == nil && !exists(name) {
		return ModuleLock{}, nil, nil
	}
	if _, ok := s[Read{Kind: ReadLock, Path: absolute(name)}]; s != nil && !ok {
		return ModuleLock{}, nil, nil
	}
	var buf bytes.Buffer
	if diag := s.readConfig(ReadLock, name, &buf); diag != nil {
		return nil, nil, hcl.Diagnostics{diag}
	}
	lock, diags := ParseModuleLock(buf.Bytes(), name)
	return lock, diagnosticFile(name, buf.Bytes()), diags
}

// Sources returns the sources of a lock, each once.
func (l ModuleLock) Sources() []LockedModule {
	return slices.SortedFunc(maps.Values(l), func(a, b LockedModule) int { return strings.Compare(a.Source, b.Source) })
}
