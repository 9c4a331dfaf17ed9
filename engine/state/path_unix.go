//go:build unix

package state

import (
	"io/fs"
	"os"
	"syscall"
)

// worldWritable reports whether anybody may replace files in a directory. A sticky one,
// such as /tmp, lets only their owners.
func worldWritable(info fs.FileInfo) bool {
	return info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0
}

// foreign reports whether root is about to act on what somebody else wrote.
func foreign(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Geteuid() == 0 && stat.Uid != 0
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
