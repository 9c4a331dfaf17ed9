package hclspec

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A ModuleSource says where the module of a git repository is.
type ModuleSource struct {
	URL  string // https, ssh or file; without a password
	Path string // of the module's directory in the repository, with slashes; "" for its top
	Ref  string // a branch, a tag, or a commit in full; "" for the default branch
}

// String writes a source as the lock file names it.
func (s ModuleSource) String() string {
	out := gitPrefix + s.URL
	if s.Path != "" {
		out += "//" + s.Path
	}
	if s.Ref != "" {
		out += "?ref=" + strings.ReplaceAll(url.QueryEscape(s.Ref), "%2F", "/")
	}
	return out
}

// Pinned reports whether the reference is a commit, which cannot move.
func (s ModuleSource) Pinned() bool { return commitName.MatchString(s.Ref) }

// Scheme is how the repository is reached: https, ssh or file.
func (s ModuleSource) Scheme() string {
	scheme, _, _ := strings.Cut(s.URL, "://")
	return scheme
}

const gitPrefix = "git::"

var (
	commitName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	// scpLike is git's short form of an address over ssh, user@host:path.
	scpLike = regexp.MustCompile(`^([A-Za-z0-9._-]+@)?([A-Za-z0-9][A-Za-z0-9.-]*):([^/:].*)$`)

	errCredentials = errors.New("the source holds a password or a token")
	errNoModule    = errors.New("it is neither a directory nor a repository")
)

// isLocalSource reports whether a source names a directory.
func isLocalSource(text string) bool {
	return text == "." || text == ".." || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../")
}

// ParseModuleSource reads the source of a module in a git repository: git::URL//PATH?ref=REF,
// or github.com/OWNER/REPOSITORY//PATH?ref=REF. No error repeats what may be a secret.
func ParseModuleSource(text string) (ModuleSource, error) {
	if strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return ModuleSource{}, errors.New("it holds control characters")
	}
	rest, query, _ := strings.Cut(text, "?")
	rest, forced := strings.CutPrefix(rest, gitPrefix)
	scheme, address, ok := strings.Cut(rest, "://")
	short := scpLike.FindStringSubmatch(rest)
	switch {
	case strings.HasPrefix(rest, "github.com/") && !forced:
		scheme, address = "https", rest
	case ok && forced:
	case short != nil && (forced || short[1] != ""):
		scheme, address = "ssh", short[1]+short[2]+"/"+short[3]
	case forced:
		return ModuleSource{}, errors.New("a repository is named by a URL that begins with https://, ssh:// or file://")
	default:
		return ModuleSource{}, errNoModule
	}
	repository, dir, _ := strings.Cut(address, "//")
	if !forced && scheme == "https" && !strings.HasSuffix(repository, ".git") {
		repository += ".git"
	}
	s := ModuleSource{}
	var err error
	if s.URL, err = repositoryURL(strings.ToLower(scheme), repository); err != nil {
		return ModuleSource{}, err
	}
	if s.Path, err = repositoryPath(dir); err != nil {
		return ModuleSource{}, err
	}
	s.Ref, err = queryRef(query)
	return s, err
}

func repositoryURL(scheme, address string) (string, error) {
	host, _, _ := strings.Cut(address, "/")
	user, _, has := cutLast(host, "@")
	if has && (scheme != "ssh" || strings.Contains(user, ":")) {
		return "", errCredentials
	}
	if !slices.Contains([]string{"https", "ssh", "file"}, scheme) {
		return "", errors.New("a repository is fetched over https, ssh or from a file:// address, and over nothing else")
	}
	u, err := url.Parse(scheme + "://" + address)
	switch {
	case err != nil || u.Fragment != "" || u.Opaque != "":
		return "", errors.New("the address of the repository is no URL")
	case scheme == "file" && u.Host != "":
		return "", errors.New("a file:// address has three slashes before the path, as in git::file:///srv/modules.git")
	case scheme != "file" && (u.Hostname() == "" || strings.HasPrefix(u.Host, "-") || strings.HasPrefix(user, "-")):
		return "", errors.New("the address of the repository names no host")
	case strings.Trim(u.Path, "/") == "":
		return "", errors.New("the address names no repository")
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/"), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

func repositoryPath(dir string) (string, error) {
	dir = strings.Trim(dir, "/")
	if dir == "" || dir == "." {
		return "", nil
	}
	if !fs.ValidPath(dir) || dir != path.Clean(dir) || strings.ContainsAny(dir, `\:{}`) {
		return "", fmt.Errorf("the directory %q is none inside of the repository", dir)
	}
	return dir, nil
}

func queryRef(query string) (string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", errors.New("what follows the question mark cannot be read; it is ?ref= with a branch, a tag or a commit")
	}
	for name, list := range values {
		if name != "ref" || len(list) > 1 {
			return "", errors.New("nothing but one ?ref= with a branch, a tag or a commit may follow the address")
		}
	}
	if !values.Has("ref") {
		return "", nil
	}
	ref := values.Get("ref")
	if !isRef(ref) {
		return "", fmt.Errorf("%q cannot be the name of a branch, a tag or a commit", ref)
	}
	return ref, nil
}

// isRef follows the rules of git check-ref-format, and refuses what could pass for a flag.
func isRef(ref string) bool {
	if ref == "" || strings.HasPrefix(ref, "-") || strings.HasSuffix(ref, ".") || strings.Contains(ref, "..") || strings.Contains(ref, "@{") {
		return false
	}
	if strings.ContainsAny(ref, " ~^:?*[\\") || strings.IndexFunc(ref, unicode.IsControl) >= 0 {
		return false
	}
	for part := range strings.SplitSeq(ref, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}
