//go:build !unix

package durable

import "io/fs"

// Owner returns the numeric owner and group of a file, false where there is no such thing.
func Owner(fs.FileInfo) (uid, gid int, ok bool) { return -1, -1, false }
