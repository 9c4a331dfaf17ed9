package state

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
)

// sealedState has one sealed content, and is closed.
func sealedState(t *testing.T) (path, name string) {
	t.Helper()
	path = testPath(t)
	s := mustOpen(t, path)
	name = s.Keyed(HashOf([]byte("secret")))
	mustCommit(t, s, &Batch{Sources: []*Source{source("a", name)}, Blobs: []Blob{{Hash: name, Data: []byte("secret"), Sealed: true}}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, name
}

func keyOf(path string) string { return strings.TrimSuffix(path, ".db") + ".key" }

func TestTheKeyIsMadeOnFirstNeedAndPrivate(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	mustCommit(t, s, &Batch{Sources: []*Source{source("a")}})
	if _, err := os.Stat(keyOf(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was made without need: %v", err)
	}
	s.Keyed("x")
	info, err := os.Stat(keyOf(path))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", info.Mode())
	}
	if left, _ := filepath.Glob(filepath.Dir(path) + "/*" + tempMark + "*"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestAKeyThatIsThereIsUsed(t *testing.T) {
	path := testPath(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	text := "# from age-keygen\n\n" + identity.String() + "\n"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyOf(path), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, path)
	want, err := newKey(identity)
	if err != nil {
		t.Fatal(err)
	}
	if s.Keyed("x") != keyed(want.mac, "x") {
		t.Error("another key was used")
	}
	if data, err := os.ReadFile(keyOf(path)); err != nil || string(data) != text {
		t.Errorf("the key was changed: %q, %v", data, err)
	}
	if k, err := makeKey(keyOf(path)); err != nil || k.recipient() != want.recipient() {
		t.Errorf("making a key where one is: %v, %v", k, err)
	}
}

func TestWithoutItsKeySealedContentStaysShut(t *testing.T) {
	other := "# other\n"
	if identity, err := age.GenerateX25519Identity(); err == nil {
		other += identity.String()
	}
	for name, spoil := range map[string]func(key string) error{
		"missing":   os.Remove,
		"other":     func(key string) error { return os.WriteFile(key, []byte(other), 0o600) },
		"no key":    func(key string) error { return os.WriteFile(key, []byte("hello\n"), 0o600) },
		"empty":     func(key string) error { return os.WriteFile(key, nil, 0o600) },
		"directory": func(key string) error { return errors.Join(os.Remove(key), os.Mkdir(key, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			path, hash := sealedState(t)
			kept, err := os.ReadFile(keyOf(path))
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(keyOf(path)); err != nil {
				t.Fatal(err)
			}
			spoilt := fingerprints(t, filepath.Dir(path))["state.key"]
			s := mustOpen(t, path)
			for _, r := range []Reader{s, mustRead(t, path)} {
				if _, err := r.Blob(t.Context(), hash); !errors.Is(err, ErrSealed) {
					t.Errorf("got %v", err)
				} else {
					t.Log(err)
				}
				if r.Keyed(HashOf([]byte("secret"))) == hash {
					t.Error("Keyed matches without the key")
				}
			}
			if err := s.Commit(t.Context(), &Batch{Sources: []*Source{source("b")}}); !errors.Is(err, ErrSealed) {
				t.Errorf("a row was written with a stand-in for the key: %v", err)
			}
			if got := fingerprints(t, filepath.Dir(path))["state.key"]; got != spoilt {
				t.Error("the key was touched")
			}
			rescue(t, s, path, kept, hash)
		})
	}
}

// rescue checks the two ways out: the right key comes back, or what it sealed goes.
func rescue(t *testing.T, s *Local, path string, kept []byte, hash string) {
	t.Helper()
	if err := os.RemoveAll(keyOf(path)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyOf(path), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := s.Blob(t.Context(), hash); err != nil || string(data) != "secret" {
		t.Errorf("with its key again: %q, %v", data, err)
	}
	s.Close()
	if err := os.Remove(keyOf(path)); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, path)
	mustCommit(t, s, &Batch{DeleteSources: mustSources(mustLoad(t, s))})
	if s.Keyed("x") == s.Keyed("y") || s.keys.fellBack() != nil {
		t.Error("a state without sealed content gets no new key")
	}
	mustCommit(t, s, &Batch{Sources: []*Source{source("b")}})
}

func TestFlippedSealedContentIsCorrupt(t *testing.T) {
	path, hash := sealedState(t)
	meddle(t, path, "UPDATE blobs SET data = substr(data, 1, length(data) - 1) || x'00'")
	if _, err := mustRead(t, path).Blob(t.Context(), hash); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

// betweenLooks is a database in which something happens after the first look at it.
type betweenLooks struct {
	querier
	happens func()
}

func (b *betweenLooks) did() {
	if f := b.happens; f != nil {
		b.happens = nil
		f()
	}
}

func (b *betweenLooks) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer b.did()
	return b.querier.QueryContext(ctx, query, args...)
}

func (b *betweenLooks) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	defer b.did()
	return b.querier.QueryRowContext(ctx, query, args...)
}

// The first sealed content that is stored while the key is looked for does not make the key look
// like another state's.
func TestTheKeyIsFoundWhileTheFirstContentIsSealed(t *testing.T) {
	s := mustOpen(t, testPath(t))
	db := &betweenLooks{s.readDB, func() {
		name := s.Keyed(HashOf([]byte("secret")))
		mustCommit(t, s, &Batch{Sources: []*Source{source("a", name)}, Blobs: []Blob{{Hash: name, Data: []byte("secret"), Sealed: true}}})
	}}
	recipient, sealed, err := hasSealed(t.Context(), db)
	if err != nil || sealed && recipient == "" {
		t.Errorf("sealed %t for the key %q, %v", sealed, recipient, err)
	}
}
