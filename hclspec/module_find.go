package hclspec

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// A checkout is the commit of a repository that a module is in.
type checkout struct {
	dir      string       // its top, in the form in which the root module was given
	source   ModuleSource // of the module whose content was checked
	commit   string
	verified string // the directory of that
}

// setSource takes the text of a source apart.
func (c *ModuleCall) setSource(text string) hcl.Diagnostics {
	slashed := filepath.ToSlash(text)
	if isLocalSource(slashed) {
		c.Source = text
		return nil
	}
	if filepath.IsAbs(text) {
		return hcl.Diagnostics{errorAt(c.sourceRange, "Absolute module source", "A module is named relative to the directory that calls it, so that the configuration means the same everywhere. Write a path that begins with ./ or ../.")}
	}
	s, err := ParseModuleSource(text)
	switch {
	case errors.Is(err, errCredentials):
		// No range: the snippet would show them.
		return hcl.Diagnostics{errorWithoutPlace("Credentials in a module source",
			"%s:%d: the source of module %q holds a password or a token, and the configuration is no place for that. Write the address without it: git asks its credential helper, or use ssh.", c.DefRange.Filename, c.sourceRange.Start.Line, c.Name)}
	case errors.Is(err, errNoModule):
		return hcl.Diagnostics{errorAt(c.sourceRange, "Unknown module source",
			"%q is no source of a module. A directory begins with ./ or ../, as in \"./service\"; a repository is written as in \"git::https://example.com/modules.git//service?ref=v1\".", text)}
	case err != nil:
		return hcl.Diagnostics{errorAt(c.sourceRange, "Invalid module source",
			"This is no module of a repository: %s. It is written as in \"git::https://example.com/modules.git//service?ref=v1\".", err)}
	}
	c.Source, c.git = s.String(), &s
	return nil
}

// find returns the directory that a call of s leads to, in the form in which that of s was given,
// and the checkout that it is in.
func (m *modules) find(s *Spec, c *ModuleCall) (string, *checkout, *hcl.Diagnostic) {
	if c.git != nil {
		if from := s.checkout; from != nil && c.git.Scheme() == "file" && from.source.Scheme() != "file" {
			return "", nil, errorAt(c.sourceRange, "Module of this machine called from elsewhere",
				"A module that came over the network may not call one that is read from the disk.")
		}
		return m.findSource(c, *c.git)
	}
	dir := filepath.Join(s.given, c.Source)
	from := s.checkout
	if from == nil {
		return dir, nil, nil
	}
	if !within(absolute(dir), absolute(from.dir)) {
		return "", nil, errorAt(c.sourceRange, "Module outside of its repository",
			"%s leads out of the repository %s. A module from git may call directories of its own repository, and other repositories.", c.Source, from.source.URL)
	}
	if within(absolute(dir), absolute(from.verified)) {
		return dir, from, nil
	}
	rel, _ := filepath.Rel(from.dir, dir)
	source := from.source
	source.Path = filepath.ToSlash(rel)
	if source.Path == "." {
		source.Path = ""
	}
	return m.findSource(c, source)
}

// findSource returns the directory of a module from git after a look at what is in it.
func (m *modules) findSource(c *ModuleCall, source ModuleSource) (string, *checkout, *hcl.Diagnostic) {
	name := source.String()
	var at LockedModule
	if m.opts.Fetch != nil {
		var err error
		if at, err = m.opts.Fetch(source); err != nil {
			return "", nil, errorAt(c.sourceRange, "Cannot get a module", "%s: %s.", name, err)
		}
	} else {
		if m.lock == nil {
			m.readLock()
		}
		at = m.lock[name]
	}
	if at.Commit == "" {
		return "", nil, errorAt(c.sourceRange, "Module not installed",
			"%s says nothing of %s. Run \"tidegate get\", and keep the file under version control.", LockFileName, name)
	}
	from := &checkout{dir: CheckoutDir(m.root.given, source.URL, at.Commit), source: source, commit: at.Commit}
	from.verified = filepath.Join(from.dir, filepath.FromSlash(source.Path))
	if m.opts.Stored != nil && m.opts.Directory == nil {
		return from.verified, from, nil // it was checked when it was stored
	}
	if _, err := os.Stat(from.dir); err != nil {
		if dir := absolute(from.dir); !slices.Contains(m.root.missing, dir) {
			m.root.missing = append(m.root.missing, dir)
		}
		return "", nil, errorAt(c.sourceRange, "Module not installed", "%s, commit %s, is not in %s. Run \"tidegate get\".", name, at.Commit, ModulesDir(m.root.given))
	}
	wrong, known := m.checked[name]
	if !known {
		wrong = m.check(from, at)
		m.checked[name] = wrong
	}
	if wrong != "" {
		return "", nil, errorAt(c.sourceRange, "Module is not as it was locked", "%s", wrong)
	}
	return from.verified, from, nil
}

// readLock reads the lock file. Where that cannot be read, it says nothing of any source.
func (m *modules) readLock() {
	lock, file, diags := m.opts.Stored.lock(m.root.given)
	m.diags = append(m.diags, diags...)
	if m.lock = lock; lock == nil {
		m.lock = ModuleLock{}
	}
	if file != nil {
		m.root.locked = file.Bytes
		m.root.Files[filepath.Join(m.root.given, LockFileName)] = file
	}
}

// check says what is wrong with the content of a module, "" for nothing.
func (m *modules) check(from *checkout, at LockedModule) string {
	hash, err := HashModule(from.dir, from.verified)
	again := " Run \"tidegate get\" to have it as it was; somebody or something changed it after that."
	switch {
	case err != nil:
		return from.verified + " cannot be used: " + err.Error() + "." + again
	case hash != at.Hash:
		return from.verified + " holds something else than " + LockFileName + " says: it has " + hash + ", and " + at.Hash + " is locked." + again
	}
	return ""
}
