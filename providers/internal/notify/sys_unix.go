//go:build unix

package notify

import (
	"io/fs"
	"syscall"
)

// identity tells directories apart, whatever path leads to them.
type identity struct {
	device, inode uint64
	path          string // where there are no inodes
}

func identify(path string, info fs.FileInfo) identity {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return identity{device: uint64(st.Dev), inode: uint64(st.Ino)}
	}
	return identity{path: path}
}

// links returns the number of hard links.
func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}
