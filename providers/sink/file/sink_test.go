//go:build unix

package file

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/mark"
	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Sink(t, providertest.SinkOptions{New: func(t *testing.T) providers.Sink {
		return newSink(t, t.TempDir(), `
path    = "app.json"
content = jsonencode({a = 1})
mode    = "0640"`)
	}})
	providertest.Sink(t, providertest.SinkOptions{New: func(t *testing.T) providers.Sink {
		return newSink(t, t.TempDir(), `
path        = "a/b/app.json"
content     = secret
create_dirs = true`)
	}})
}

func TestMistakes(t *testing.T) {
	for body, want := range map[string]string{
		`path = "x"`: `either content or content_base64 is needed`,
		"path = \"x\"\ncontent = \"a\"\ncontent_base64 = \"YQ==\"": `test.hcl:3,18-24: Invalid sink "file"; content_base64: cannot stand beside content`,
		"path = \"x\"\ncontent_base64 = \"?\"":                     `test.hcl:2,18-21: Invalid sink "file"; content_base64: is no valid base64`,
		"path = \"\"\ncontent = \"a\"":                             `path: is empty`,
		"path = \"/etc/\"\ncontent = \"a\"":                        `names a directory`,
		"path = \"x\\u0000y\"\ncontent = \"a\"":                    `NUL`,
		"path = \"x\"\ncontent = \"a\"\nmode = \"rw\"":             `test.hcl:3,8-12: Invalid sink "file"; mode: "rw" is no octal number`,
		"path = \"x\"\ncontent = \"a\"\nmode = \"0888\"":           `is no octal number`,
		"path = \"x\"\ncontent = \"a\"\nmode = \"4755\"":           `setuid`,
		"path = \"x\"\ncontent = \"a\"\nmode = \"0040\"":           `does not let the owner read`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
	for _, body := range []string{`content = ""`, `content_base64 = ""`, "content = \"a\"\nmode = 640", "content = \"a\"\nmode = null"} {
		if got := providertest.Errors(Kind(), "path = \"x\"\n"+body); got != "" {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestWritesBinaryContent(t *testing.T) {
	dir := t.TempDir()
	data := string([]byte{0, 1, 0xff, '\r', '\n'})
	s := newSink(t, dir, `
path           = "blob"
content_base64 = %q`, base64.StdEncoding.EncodeToString([]byte(data)))
	mustWrite(t, s)
	holds(t, filepath.Join(dir, "blob"), data)
}

func TestModeOfTheNewFile(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		saved := syscall.Umask(umask)
		defer syscall.Umask(saved)
		for _, c := range []struct {
			old           os.FileMode // 0 for no file
			content, mode string
			want          os.FileMode
		}{
			{0, `"x"`, ``, 0o644},
			{0, `secret`, ``, 0o600},
			{0, `"x"`, `mode = "0664"`, 0o664},
			{0, `secret`, `mode = "0640"`, 0o640}, // asked for
			{0o600, `"x"`, ``, 0o600},
			{0o755, `"x"`, ``, 0o755},
			{0o640, `secret`, ``, 0o600},
			{0o444, `secret`, ``, 0o400},
			{0o600, `"x"`, `mode = "0644"`, 0o644},
		} {
			dir := t.TempDir()
			path := filepath.Join(dir, "app")
			if c.old != 0 {
				put(t, path, "old", c.old)
			}
			s := newSink(t, dir, "path = \"app\"\ncontent = %s\n%s", c.content, c.mode)
			mustWrite(t, s)
			if got := modeOf(t, path); got != c.want {
				t.Errorf("umask %03o, old %04o, content %s, %s: mode %04o, want %04o", umask, c.old, c.content, c.mode, got, c.want)
			}
			if o, err := s.Read(t.Context()); err != nil || len(o.Differs) != 0 {
				t.Errorf("after Write: %v, %v", o.Differs, err)
			}
		}
		syscall.Umask(saved)
	}
}

func TestReadSaysWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	put(t, path, "old", 0o644)
	for body, want := range map[string][]string{
		`content = "new"`:                    nil,
		`content = secret`:                   {"mode is 0644, want 0600, since the content is sensitive"},
		"content = \"new\"\nmode = \"0640\"": {"mode is 0644, want 0640"},
		"content = \"new\"\nmode = \"0644\"": nil,
		"content = secret\nmode = \"0644\"":  nil,
		fmt.Sprintf("content = \"new\"\nowner = %q", fmt.Sprint(os.Geteuid())): nil,
		"content = \"new\"\nowner = \"12345\"\ngroup = \"54321\"":              {"owner is " + userName(os.Geteuid()) + ", want 12345", "group is " + groupName(os.Getegid()) + ", want 54321"},
	} {
		s := newSink(t, dir, "path = \"app\"\n%s", body)
		o, err := s.Read(t.Context())
		if err != nil || !o.Exists || string(o.Data) != "old" || !slices.Equal(o.Differs, want) {
			t.Errorf("%s: %+v, %v; want %q", body, o, err, want)
		}
	}
	s := newSink(t, dir, "path = \"app\"\ncontent = \"\"\nowner = \"tidegate-no-such-user\"")
	for _, err := range []error{write(t, s), func() error { _, err := s.Read(t.Context()); return err }()} {
		if err == nil || !strings.Contains(err.Error(), "unknown user tidegate-no-such-user") {
			t.Errorf("got %v", err)
		}
	}
}

func TestOnlyTheModeDiffers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	put(t, path, "same", 0o644)
	before, _ := os.Stat(path)
	mustWrite(t, newSink(t, dir, "path = \"app\"\ncontent = \"same\"\nmode = \"0600\""))
	after, _ := os.Stat(path)
	if os.SameFile(before, after) || after.Mode().Perm() != 0o600 {
		t.Errorf("mode %v; the same inode: %v", after.Mode(), os.SameFile(before, after))
	}
}

func TestOwnerIsSetAndKept(t *testing.T) {
	if os.Geteuid() != 0 {
		dir := t.TempDir()
		err := write(t, newSink(t, dir, "path = \"app\"\ncontent = \"x\"\nowner = \"12345\""))
		if err == nil || !strings.Contains(err.Error(), "may not give the file to owner 12345") {
			t.Errorf("got %v", err)
		}
		only(t, dir)
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	owner := func() string {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		return fmt.Sprint(st.Uid, ":", st.Gid)
	}
	for _, c := range []struct{ body, want string }{
		{``, "0:0"},
		{"owner = \"12345\"\ngroup = \"54321\"", "12345:54321"},
		{``, "12345:54321"}, // kept
		{`group = "7"`, "12345:7"},
		{`owner = "root"`, "0:7"},
	} {
		mustWrite(t, newSink(t, dir, "path = \"app\"\ncontent = \"x\"\n%s", c.body))
		if got := owner(); got != c.want {
			t.Errorf("%q: owner %s, want %s", c.body, got, c.want)
		}
	}
}

func TestTwoWaysToOneFile(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(filepath.Join(dir, "real", "sub"), 0o755)
	os.Symlink("real", filepath.Join(dir, "link"))
	put(t, filepath.Join(dir, "real", "app"), "", 0o644)
	os.Symlink("app", filepath.Join(dir, "real", "alias"))
	want := filepath.Join(dir, "real", "app")
	for _, path := range []string{"real/app", "./real//app", "real/sub/../app", "link/app", "link/sub/../app", "real/alias", dir + "/link/app"} {
		if got := newSink(t, dir, "path = %q\ncontent = \"\"", path).WritesPath(); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := newSink(t, dir, `path = "link/new/x"`+"\ncontent = \"\"").WritesPath(); got != filepath.Join(dir, "real/new/x") {
		t.Errorf("below a directory that is to be made: %s", got)
	}
}

func TestExposes(t *testing.T) {
	s := newSink(t, "/etc/app", "path = \"x.json\"\ncontent = \"{}\"")
	want := map[string]cty.Value{
		"path":   cty.StringVal("/etc/app/x.json"),
		"sha256": cty.StringVal("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
	}
	if got := s.Expose(); !cmp.Equal(got, want, cmp.Comparer(cty.Value.RawEquals)) {
		t.Errorf("got %#v", got)
	}
	if s.Format() != "json" || s.Fingerprint() != "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" {
		t.Errorf("%q, %q", s.Format(), s.Fingerprint())
	}
	if s = newSink(t, "/", "path = \"x\"\ncontent = secret"); !mark.Has(s.Expose()["sha256"]) {
		t.Error("the hash of a secret is shown")
	}
}

func TestSweepRemovesLeftovers(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, ".app.tidegate-00c0ffee"), "half", 0o600)
	put(t, filepath.Join(dir, ".other.tidegate-00c0ffee"), "half", 0o600)
	s := newSink(t, dir, "path = \"app\"\ncontent = \"x\"")
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	only(t, dir, ".other.tidegate-00c0ffee")
}

func TestMissingDirectory(t *testing.T) {
	dir := t.TempDir()
	err := write(t, newSink(t, dir, "path = \"a/app\"\ncontent = \"x\""))
	if err == nil || !strings.Contains(err.Error(), "set create_dirs = true") {
		t.Errorf("got %v", err)
	}
	saved := syscall.Umask(0o077)
	defer syscall.Umask(saved)
	mustWrite(t, newSink(t, dir, "path = \"open/app\"\ncontent = \"x\"\ncreate_dirs = true"))
	mustWrite(t, newSink(t, dir, "path = \"shut/app\"\ncontent = secret\ncreate_dirs = true"))
	if open, shut := modeOf(t, filepath.Join(dir, "open")), modeOf(t, filepath.Join(dir, "shut")); open != 0o755 || shut != 0o700 {
		t.Errorf("modes %v and %v", open, shut)
	}
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "app.json")
	if err := os.WriteFile(path, make([]byte, 1<<10), 0o644); err != nil {
		b.Fatal(err)
	}
	s := providertest.NewSink(b, Kind(), "path = \"app.json\"\ncontent = \"x\"", providers.Env{ModuleDir: dir})
	for b.Loop() {
		if _, err := s.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
