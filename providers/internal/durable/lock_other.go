//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package durable

import (
	"os"
	"time"
)

// hold needs nothing: without file locks the age of a temporary file decides.
func hold(*os.File) bool { return true }

// abandoned takes a temporary file that nobody touched for an hour as left behind: no
// replacement takes that long.
func abandoned(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && time.Since(info.ModTime()) > time.Hour
}
