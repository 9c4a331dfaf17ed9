package exec

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tidegate/providers"
	"tidegate/providers/internal/process"
)

// maxChanges is how long the value of TIDEGATE_CHANGES may be: systems limit the
// environment, Linux a single variable to 128 KiB.
const maxChanges = 64 << 10

// cut returns a JSON list with as many of the first entries as fit into limit bytes, and how
// many are left out.
func cut(changes []byte, limit int) (short []byte, omitted int, err error) {
	var entries []json.RawMessage
	if len(changes) > 0 {
		if err := json.Unmarshal(changes, &entries); err != nil {
			return nil, 0, fmt.Errorf("the changes of the delivery are no JSON list: %w", err)
		}
	}
	short = append(short, '[')
	for i, e := range entries {
		var entry bytes.Buffer
		if err := json.Compact(&entry, e); err != nil {
			return nil, 0, err
		}
		if len(short)+1+entry.Len()+1 > limit {
			omitted = len(entries) - i
			break
		}
		if i > 0 {
			short = append(short, ',')
		}
		short = append(short, entry.Bytes()...)
	}
	return append(short, ']'), omitted, nil
}

// leftMark is part of the names of one sink's files of changes, by which Sweep knows them.
func leftMark(env providers.Env) string {
	sum := sha256.Sum256([]byte(env.ModuleDir + "\n" + env.Address))
	return "tidegate-changes-" + hex.EncodeToString(sum[:8]) + "-"
}

// Sweep removes the file of changes of a delivery that was killed, unless its program still runs.
func (s *sink) Sweep(context.Context) error {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), s.left+"*.json"))
	for _, path := range left {
		if !process.Held(path) {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

// former returns the file of changes that a program of this sink still holds, "" if none runs.
// There is one only after we were killed while it ran.
func (s *sink) former() string {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), s.left+"*.json"))
	for _, path := range left {
		if process.Held(path) {
			return path
		}
	}
	return ""
}

// writeChanges puts all changes into a file that only this user can read, in the directory
// for temporary files. It holds no secrets. It is held by whoever has it open.
func (s *sink) writeChanges(changes []byte) (*os.File, error) {
	f, err := os.CreateTemp("", s.left+"*.json") // 0600
	if err != nil {
		return nil, fmt.Errorf("make the file of changes: %w", err)
	}
	process.Hold(f)
	if len(changes) == 0 {
		changes = []byte("[]")
	}
	if _, err = f.Write(changes); err != nil {
		return nil, errors.Join(fmt.Errorf("write the file of changes: %w", err), removeChanges(f))
	}
	return f, nil
}

func removeChanges(f *os.File) error { return errors.Join(os.Remove(f.Name()), f.Close()) }
