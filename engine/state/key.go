package state

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// keyedPrefix begins the names of sensitive content.
const keyedPrefix = "hmac-sha256:"

// key is the secret of a state: an age identity, so that `age -d -i state.key` opens what is
// sealed, and keys derived from it: for Keyed, and for documents.
type key struct {
	identity *age.X25519Identity
	public   string // half of identity
	mac      []byte
	// documents seals documents, see sealDocument; plans and signing are for saved plans.
	documents, plans cipher.AEAD
	signing          []byte
}

func newKey(identity *age.X25519Identity) (*key, error) {
	k := &key{identity: identity, public: identity.Recipient().String()}
	var err error
	derive := func(purpose string, size int) []byte {
		secret, failed := hkdf.Key(sha256.New, []byte(identity.String()), nil, purpose, size)
		err = errors.Join(err, failed)
		return secret
	}
	cipherOf := func(purpose string) cipher.AEAD {
		aead, failed := chacha20poly1305.NewX(derive(purpose, chacha20poly1305.KeySize))
		err = errors.Join(err, failed)
		return aead
	}
	k.mac, k.signing = derive("tidegate keyed hash v1", sha256.Size), derive("tidegate plan signature v1", sha256.Size)
	k.documents, k.plans = cipherOf("tidegate document v1"), cipherOf("tidegate plan v1")
	return k, err
}

func (k *key) recipient() string { return k.public }

func keyed(mac []byte, hash string) string {
	h := hmac.New(sha256.New, mac)
	h.Write([]byte(hash))
	return keyedPrefix + hex.EncodeToString(h.Sum(nil))
}

func (k *key) seal(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.identity.Recipient())
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (k *key) open(data []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(data), k.identity)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// keyring finds the key of a state when it is first needed. Its methods may be called from
// several goroutines.
type keyring struct {
	path    string
	mayMake bool // the holder of the lock makes a missing key; readers never do
	// sealed tells whether the state has sealed content, and for which public key.
	sealed func() (recipient string, any bool, err error)

	mu        sync.Mutex
	key       *key
	failed    error  // a reader's first failure stays, so that Keyed stays the same
	ephemeral []byte // stands in for a key that cannot be had
}

// get returns the key, or an ErrSealed that says why there is none.
func (r *keyring) get() (*key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.locked()
}

func (r *keyring) locked() (*key, error) {
	if r.key != nil {
		return r.key, nil
	}
	if r.failed != nil {
		return nil, r.failed
	}
	k, err := r.find()
	if err != nil {
		if !r.mayMake {
			r.failed = err
		}
		return nil, err
	}
	r.key = k
	return k, nil
}

func (r *keyring) find() (*key, error) {
	recipient, sealed, err := r.sealed()
	if err != nil {
		return nil, err
	}
	k, err := readKey(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (sealed || !r.mayMake):
		return nil, fmt.Errorf("%w: %s is missing (restore it from a copy; what is sealed cannot be opened without it)", ErrSealed, r.path)
	case errors.Is(err, fs.ErrNotExist):
		return makeKey(r.path)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	case sealed && recipient != k.recipient():
		return nil, fmt.Errorf("%w: %s is the key of another state (restore the right one)", ErrSealed, r.path)
	}
	return k, nil
}

// keyed never fails: without the key it uses a random one, so that nothing matches. A store
// that did so refuses to write rows until it has the key (see Local.Commit).
func (r *keyring) keyed(hash string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, err := r.locked(); err == nil {
		return keyed(k.mac, hash)
	}
	if r.ephemeral == nil {
		r.ephemeral = make([]byte, sha256.Size)
		rand.Read(r.ephemeral)
	}
	return keyed(r.ephemeral, hash)
}

// fellBack returns why the key cannot be had, if keyed had to do without it.
func (r *keyring) fellBack() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ephemeral == nil {
		return nil
	}
	_, err := r.locked()
	return err
}

// maxKeyFile is far above the 74 characters of a key and its comments.
const maxKeyFile = 64 << 10

func readKey(path string) (*key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		identity, err := age.ParseX25519Identity(line)
		if err != nil {
			// The parser's own words may quote the line.
			return nil, fmt.Errorf("%s holds no age identity", path)
		}
		return newKey(identity)
	}
	return nil, fmt.Errorf("%s holds no age identity", path)
}

// makeKey makes the key of a state, durable before anything is sealed with it. A key that
// is there already is never replaced.
func makeKey(path string) (*key, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make the key of the state: %w", err)
	}
	text := fmt.Sprintf("# The key of the state beside this file. Without it what is sealed there is lost.\n# public key: %s\n%s\n",
		identity.Recipient(), identity)
	temp, err := writeTemp(path, []byte(text))
	if err == nil {
		err = installNew(temp, path)
	}
	if errors.Is(err, fs.ErrExist) {
		return readKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("make the key of the state: %w", err)
	}
	return newKey(identity)
}
