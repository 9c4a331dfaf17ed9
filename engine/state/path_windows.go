package state

import "io/fs"

// worldWritable is always false: permissions are not in the mode there.
func worldWritable(fs.FileInfo) bool { return false }

// syncDir does nothing: directories cannot be synced there, NTFS journals names itself.
func syncDir(string) error { return nil }

// foreign: Windows has no owner that could be compared in this way.
func foreign(fs.FileInfo) bool { return false }
