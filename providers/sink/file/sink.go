package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/mark"
	"tidegate/providers"
	"tidegate/providers/internal/durable"
	"tidegate/providers/internal/notify"
)

// maxKept is how many bytes of the present file are kept for diffs: 64 MiB. All of it is
// hashed.
const maxKept = 64 << 20

type sink struct {
	path         string
	content      []byte
	hash         [sha256.Size]byte
	sensitive    bool
	mode         fs.FileMode // unset if none was asked for
	owner, group string
	options      durable.Options
}

var (
	_ providers.Sink       = (*sink)(nil)
	_ providers.Exposer    = (*sink)(nil)
	_ providers.Content    = (*sink)(nil)
	_ providers.PathWriter = (*sink)(nil)
	_ providers.Sweeper    = (*sink)(nil)
	_ providers.Watcher    = (*sink)(nil)
	_ providers.Readiness  = (*sink)(nil)
)

func (s *sink) Target() string      { return s.path }
func (s *sink) Fingerprint() string { return "sha256:" + hex.EncodeToString(s.hash[:]) }
func (s *sink) Content() []byte     { return s.content }

// Format returns the decoder for the ending of the path.
func (s *sink) Format() string {
	switch ending := strings.ToLower(filepath.Ext(s.path)); ending {
	case ".json", ".yaml", ".toml", ".hcl", ".env", ".properties", ".ini", ".csv":
		return ending[1:]
	case ".yml":
		return "yaml"
	case ".txt":
		return "text"
	}
	return ""
}

// WritesPath returns the path with all links resolved as they are now, so that two ways to
// one file show as one.
func (s *sink) WritesPath() string { return durable.Resolve(s.path) }

// Expose returns path and sha256. The hash of something short and secret would give it
// away, so it is as sensitive as the content.
func (s *sink) Expose() map[string]cty.Value {
	sum := cty.StringVal(hex.EncodeToString(s.hash[:]))
	if s.sensitive {
		sum = sum.Mark(mark.Sensitive)
	}
	return map[string]cty.Value{"path": cty.StringVal(s.path), "sha256": sum}
}

// Read looks at the file. What is there and cannot be replaced is an error, so that a plan
// says so and not only the delivery.
func (s *sink) Read(ctx context.Context) (providers.Observed, error) {
	content, err := s.scan(ctx, maxKept)
	if errors.Is(err, fs.ErrNotExist) {
		return providers.Observed{}, nil
	}
	if err != nil {
		return providers.Observed{}, err
	}
	// Names of users may come from a directory service that does not answer.
	differs, err := durable.Await(ctx, s.path, func() ([]string, error) { return s.differs(content.Info) })
	return providers.Observed{
		Exists: true, Data: content.Data, Differs: differs, Private: content.Info.Mode().Perm()&0o004 == 0,
		Hash: "sha256:" + hex.EncodeToString(content.Hash[:]),
	}, err
}

// Watch calls wake when the file may have changed, its mode and owner included. What the sink
// itself writes is told too.
func (s *sink) Watch(wake func(providers.Change)) (stop func(), err error) {
	return notify.Watch(s.path, false, wake)
}

func (s *sink) scan(ctx context.Context, keep int64) (durable.Content, error) {
	return durable.Await(ctx, s.path, func() (durable.Content, error) {
		f, err := durable.OpenTarget(s.path, s.options)
		if err != nil {
			return durable.Content{}, s.readError(err)
		}
		defer f.Close()
		content, err := durable.Scan(ctx, f, keep)
		if err != nil {
			return durable.Content{}, s.readError(err)
		}
		return content, nil
	})
}

// readError adds the path where err does not name it yet.
func (s *sink) readError(err error) error {
	if class, _ := providers.Classify(err); class == providers.ClassPermanent {
		return err
	}
	return durable.ExplainRead(s.path, err)
}

// Write replaces the file and reads it back. It does so also when only owner or mode differ:
// changing those in place could open the content to the wrong reader for an instant.
func (s *sink) Write(ctx context.Context, _ providers.Delivery) error {
	uid, gid, err := s.ids()
	if err != nil {
		return err
	}
	err = durable.Replace(ctx, s.path, s.options, s.content, func(old fs.FileInfo) durable.Want {
		return durable.Want{Mode: s.modeOver(old), UID: uid, GID: gid, Like: old}
	})
	if err != nil {
		return s.wayOut(err)
	}
	return s.verify(ctx)
}

// Ready looks at the directory of the file.
func (s *sink) Ready(ctx context.Context) error {
	return s.wayOut(durable.Ready(ctx, s.path, s.options))
}

func (s *sink) wayOut(err error) error {
	if errors.Is(err, fs.ErrNotExist) && !s.options.Create {
		return fmt.Errorf("%w; make it, or set create_dirs = true on the sink", err)
	}
	return err
}

// modeOver returns the mode of the new file: what was asked for, else that of the old one.
func (s *sink) modeOver(old fs.FileInfo) fs.FileMode {
	mode := s.mode
	switch {
	case mode != unset:
		return mode
	case old != nil:
		mode = old.Mode().Perm()
	default:
		mode = 0o644
	}
	if s.sensitive {
		// Owner bits only. A file that its owner could not read is made readable.
		mode = mode&0o600 | 0o400
		if old == nil {
			mode = 0o600
		}
	}
	return mode
}

// verify reads back what was written, through the path that readers use. Where owner and
// mode keep us from reading, the size that the descriptor had has to do.
func (s *sink) verify(ctx context.Context) error {
	content, err := s.scan(ctx, int64(len(s.content))+1)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil
	case err != nil:
		return fmt.Errorf("verify %s after writing it: %w", s.path, err)
	case !bytes.Equal(content.Data, s.content):
		return fmt.Errorf("verify %s: it does not hold what was just written; %w", s.path, providers.ErrOtherWriter)
	}
	return nil
}

// Delete unlinks the file and flushes its directory.
func (s *sink) Delete(ctx context.Context) error {
	return durable.Remove(ctx, s.path, s.options)
}

// Sweep removes temporary files that a killed process left beside the file.
func (s *sink) Sweep(ctx context.Context) error {
	_, err := durable.Await(ctx, s.path, func() (struct{}, error) {
		return struct{}{}, durable.Sweep(s.path, s.options)
	})
	return err
}
