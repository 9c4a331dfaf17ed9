package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// own gives a new file the owner and group that are wanted, and keeps those of the file it
// replaces where none is.
func own(f *os.File, info fs.FileInfo, w Want) error {
	uid, gid, ok := Owner(info)
	if !ok {
		return nil
	}
	if w.UID >= 0 && w.UID != uid || w.GID >= 0 && w.GID != gid {
		if err := f.Chown(w.UID, w.GID); err != nil {
			// Not wrapped: a missing right here is not one on the directory.
			return fmt.Errorf("uid %d may not give the file to %s: %v; that needs root or CAP_CHOWN, except for a group the user is a member of",
				os.Geteuid(), ids(w.UID, w.GID), err)
		}
	}
	if w.Like == nil {
		return nil
	}
	return keep(f, uid, gid, w)
}

// keep carries the old file's owner and group over as far as the system allows.
func keep(f *os.File, uid, gid int, w Want) error {
	oldUID, oldGID, ok := Owner(w.Like)
	if !ok {
		return nil
	}
	if w.UID >= 0 || oldUID == uid {
		oldUID = -1
	}
	if w.GID >= 0 || oldGID == gid {
		oldGID = -1
	}
	if oldUID < 0 && oldGID < 0 {
		return nil
	}
	err := f.Chown(oldUID, oldGID)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	groupKept := oldGID < 0 || f.Chown(-1, oldGID) == nil
	ownerKept := oldUID <= 0 // root reads whatever the owner is
	if w.Mode&0o004 != 0 || groupKept && ownerKept {
		return nil
	}
	return fmt.Errorf("the file belongs to %s, uid %d may not keep it so (%v), and mode %04o would shut out who reads it now; set owner, group or mode to say what is wanted",
		ids(oldUID, oldGID), os.Geteuid(), err, w.Mode)
}

func ids(uid, gid int) string {
	switch {
	case gid < 0:
		return fmt.Sprintf("owner %d", uid)
	case uid < 0:
		return fmt.Sprintf("group %d", gid)
	}
	return fmt.Sprintf("owner %d and group %d", uid, gid)
}
