//go:build !unix

package notify

import "io/fs"

// identity tells directories apart; where there are no inodes, by their path.
type identity struct{ path string }

func identify(path string, _ fs.FileInfo) identity { return identity{path} }

// links returns the number of hard links.
func links(fs.FileInfo) uint64 { return 1 }
