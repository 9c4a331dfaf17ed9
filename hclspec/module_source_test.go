package hclspec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseModuleSource(t *testing.T) {
	for text, want := range map[string]string{
		"git::https://Example.com/modules.git//service/web?ref=v1": "git::https://example.com/modules.git//service/web?ref=v1",
		"git::https://example.com/modules.git":                     "git::https://example.com/modules.git",
		"git::https://example.com:8443/m/?ref=feature/x%2By":       "git::https://example.com:8443/m?ref=feature/x%2By",
		"git::ssh://git@example.com/m.git//a/":                     "git::ssh://git@example.com/m.git//a",
		"git::file:///srv/modules.git//a?ref=v1":                   "git::file:///srv/modules.git//a?ref=v1",
		"git::git@example.com:team/m.git?ref=v1":                   "git::ssh://git@example.com/team/m.git?ref=v1",
		"git@github.com:team/m.git//a":                             "git::ssh://git@github.com/team/m.git//a",
		"github.com/team/m//a?ref=v1":                              "git::https://github.com/team/m.git//a?ref=v1",
		"github.com/team/m.git":                                    "git::https://github.com/team/m.git",
	} {
		s, err := ParseModuleSource(text)
		if err != nil || s.String() != want {
			t.Errorf("%s: got %s, %v, want %s", text, s, err, want)
			continue
		}
		if again, err := ParseModuleSource(want); err != nil || again != s {
			t.Errorf("%s: read again it is %+v, %v, want %+v", want, again, err, s)
		}
	}
	const secret = "hunter2"
	for text, want := range map[string]string{
		"git::https://user:hunter2@example.com/m.git":       "password or a token",
		"git::https://hunter2@example.com/m.git":            "password or a token",
		"git::ssh://git:hunter2@example.com/m.git":          "password or a token",
		"git::http://a:hunter2@example.com/m.git":           "password or a token",
		"git::https://example.com/m.git?token=hunter2":      "nothing but one ?ref=",
		"git::http://example.com/m.git":                     "over https, ssh",
		"git::ext::sh -c evil":                              "begins with https://",
		"git::ext://sh":                                     "over https, ssh",
		"git::/srv/m.git":                                   "begins with https://",
		"git::file://host/srv/m.git":                        "three slashes",
		"git::https:///m.git":                               "names no host",
		"git::https://example.com":                          "names no repository",
		"git::ssh://-oProxyCommand=evil/m.git":              "names no host",
		"git::ssh://-evil@example.com/m.git":                "names no host",
		"git::https://example.com/m.git//../x":              "none inside",
		"git::https://example.com/m.git//a/../../x":         "none inside",
		"git::https://example.com/m.git?ref=-x":             "cannot be the name",
		"git::https://example.com/m.git?ref=--upload-pack=": "cannot be the name",
		"git::https://example.com/m.git?ref=a..b":           "cannot be the name",
		"git::https://example.com/m.git?ref=":               "cannot be the name",
		"git::https://example.com/m.git?ref=a&ref=b":        "nothing but one",
		"git::https://example.com/m.git?ref=v1\n":           "control characters",
		"hashicorp/consul/aws":                              "neither a directory nor",
		"host:path":                                         "neither a directory nor",
	} {
		s, err := ParseModuleSource(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: got %+v, %v, want %q", text, s, err, want)
		}
	}
}

func TestModuleLock(t *testing.T) {
	commit, hash := strings.Repeat("a", 40), "sha256:"+strings.Repeat("b", 64)
	lock := ModuleLock{}
	for _, source := range []string{"git::https://example.com/m.git//a?ref=v1", "git::file:///srv/\"m\".git"} {
		lock[source] = LockedModule{source, commit, hash}
	}
	got, diags := ParseModuleLock(lock.Bytes(), LockFileName)
	if diags.HasErrors() || len(got) != 2 || got["git::file:///srv/\"m\".git"] != lock["git::file:///srv/\"m\".git"] {
		t.Errorf("%v, %v from\n%s", got, diags, lock.Bytes())
	}
	if formatted, diags := Format(lock.Bytes(), LockFileName); diags.HasErrors() || string(formatted) != string(lock.Bytes()) {
		t.Errorf("not in style: %v\n%s", diags, formatted)
	}
	for text, want := range map[string]string{
		`module "a" {`:  "Unclosed",
		`module "a" {}`: "Missing required argument",
		`sink "a" {}`:   "Unsupported block",
		"module \"a\" {\n  commit = \"abc\"\n  hash = \"" + hash + "\"\n}": "Restore the file",
		string(lock.Bytes()) + string(lock.Bytes()):                        "Restore the file",
	} {
		if _, diags := ParseModuleLock([]byte(text), LockFileName); !diags.HasErrors() || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, diags, want)
		}
	}
	if IsConfigFile(LockFileName) {
		t.Errorf("%s is loaded as configuration", LockFileName)
	}
}

// Whatever changes of a module is another content; what leads out of its repository is refused.
func TestHashModule(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	dir := filepath.Join(top, "m")
	outside := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	hash := func() string {
		t.Helper()
		sum, err := HashModule(top, dir)
		must(err)
		return sum
	}
	must(os.MkdirAll(filepath.Join(dir, "d"), 0o755))
	must(os.WriteFile(filepath.Join(top, "shared"), []byte("x"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "d", "b"), []byte("y"), 0o644))
	must(os.Symlink("../shared", filepath.Join(dir, "link")))
	seen := map[string]string{hash(): "at first"}
	for _, step := range []struct {
		name   string
		change func() error
	}{
		{"bytes", func() error { return os.WriteFile(filepath.Join(dir, "d", "b"), []byte("z"), 0o644) }},
		{"mode", func() error { return os.Chmod(filepath.Join(dir, "a"), 0o755) }},
		{"name", func() error { return os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "c")) }},
		{"another file", func() error { return os.WriteFile(filepath.Join(dir, ".hidden"), nil, 0o644) }},
		{"a link's file", func() error { return os.WriteFile(filepath.Join(top, "shared"), []byte("w"), 0o644) }},
	} {
		must(step.change())
		sum := hash()
		if other, is := seen[sum]; is {
			t.Errorf("%s: the hash is that of %s", step.name, other)
		}
		seen[sum] = step.name
	}
	before := hash()
	must(os.WriteFile(filepath.Join(top, "elsewhere"), nil, 0o644))
	if hash() != before {
		t.Error("a file outside of the module counts")
	}
	for target, want := range map[string]string{
		outside:               "out of the repository",
		"../../" + "x":        "out of the repository",
		"../../../etc/passwd": "out of the repository",
		"..":                  "outside of the module",
	} {
		link := filepath.Join(dir, "bad")
		must(os.Symlink(target, link))
		if _, err := HashModule(top, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("link to %s: %v, want %q", target, err, want)
		}
		must(os.Remove(link))
	}
	must(os.Symlink(outside, filepath.Join(top, "out")))
	if _, err := HashModule(top, filepath.Join(top, "out")); err == nil || !strings.Contains(err.Error(), "out of the repository") {
		t.Errorf("a module that is a link: %v", err)
	}
}

// A module that came over the network reads nothing of this machine.
func TestModulesOfTheNetworkStayThere(t *testing.T) {
	dir := module(t, "main.hcl", `module "far" { source = "git::https://example.com/m.git" }`)
	commit := strings.Repeat("a", 40)
	fetch := func(s ModuleSource) (LockedModule, error) {
		at := LockedModule{Source: s.String(), Commit: commit}
		checkout := CheckoutDir(dir, s.URL, commit)
		if err := os.MkdirAll(checkout, 0o755); err != nil {
			return at, err
		}
		if err := os.WriteFile(filepath.Join(checkout, "main.hcl"), []byte(`module "near" { source = "git::file:///srv/m.git" }`), 0o644); err != nil {
			return at, err
		}
		var err error
		at.Hash, err = HashModule(checkout, checkout)
		return at, err
	}
	_, diags := LoadWith(dir, LoadOptions{Fetch: fetch})
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "may not call one that is read from the disk") {
		t.Errorf("got %v", diags)
	}
	if _, err := os.Stat(CheckoutDir(dir, "file:///srv/m.git", commit)); err == nil {
		t.Error("it was fetched")
	}
}
