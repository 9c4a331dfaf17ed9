//go:build unix

package durable

import (
	"io/fs"
	"syscall"
)

// Owner returns the numeric owner and group of a file, false where there is no such thing.
func Owner(info fs.FileInfo) (uid, gid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1, false
	}
	return int(st.Uid), int(st.Gid), true
}
