package durable

import "os"

// ops are the steps at which a disk can fail. Tests replace them; nothing else does.
type ops struct {
	create  func(r *os.Root, name string) (*os.File, error)
	write   func(f *os.File, data []byte) (int, error)
	fsync   func(f *os.File) error
	rename  func(r *os.Root, from, to string) error
	syncDir func(r *os.Root) error
}

var system = ops{
	// 0600 until owner and mode are set on the descriptor. A Root never follows a link when
	// it creates exclusively.
	create: func(r *os.Root, name string) (*os.File, error) {
		return r.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	},
	write:   (*os.File).Write,
	fsync:   (*os.File).Sync,
	rename:  (*os.Root).Rename,
	syncDir: syncDir,
}
