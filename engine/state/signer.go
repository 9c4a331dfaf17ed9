package state

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
)

// A Signer signs and seals what leaves the state and comes back to it: saved plans. Its keys are
// derived from the state's.
type Signer struct{ key *key }

func (r *keyring) signer() (*Signer, error) {
	k, err := r.get()
	if err != nil {
		return nil, err
	}
	return &Signer{k}, nil
}

// Public names the key without telling it: the recipient for whom age encrypts.
func (s *Signer) Public() string { return s.key.recipient() }

// Sign returns the HMAC-SHA256 of data, as "hmac-sha256:" and hexadecimal digits.
func (s *Signer) Sign(data []byte) string {
	h := hmac.New(sha256.New, s.key.signing)
	h.Write(data)
	return keyedPrefix + hex.EncodeToString(h.Sum(nil))
}

// Signed reports whether Sign gave this signature for data.
func (s *Signer) Signed(data []byte, signature string) bool {
	return hmac.Equal([]byte(signature), []byte(s.Sign(data)))
}

// Seal encrypts and authenticates data together with a label, which Open has to be given again.
func (s *Signer) Seal(label string, data []byte) []byte { return sealWith(s.key.plans, label, data) }

// Open is the inverse of Seal. What was changed, or sealed by another key or under another
// label, is an error.
func (s *Signer) Open(label string, data []byte) ([]byte, error) {
	return openWith(s.key.plans, label, data)
}

// Prepare makes sure that there is a state with a key, so that somebody who only reads may sign:
// an empty state where there is none, and a key where the state needed none so far. A state
// that is there is not written to, and its lock is not taken.
func Prepare(ctx context.Context, o Options) error {
	f, err := filesOf(o.Path)
	if err != nil {
		return err
	}
	if _, err := f.inspect(); errors.Is(err, fs.ErrNotExist) {
		s, err := Open(ctx, o)
		if err != nil {
			return err
		}
		_, err = s.Signer()
		return errors.Join(err, s.Close())
	}
	r, err := OpenReader(ctx, o)
	if err != nil {
		return err
	}
	defer r.Close()
	s, ok := r.(*snapshot)
	if !ok { // it went away
		return fmt.Errorf("read the state %s: %w", f.db, fs.ErrNotExist)
	}
	s.keys.mayMake = true
	_, err = s.Signer()
	return err
}
