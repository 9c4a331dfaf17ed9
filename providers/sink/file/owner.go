package file

import (
	"fmt"
	"io/fs"
	"os/user"
	"runtime"
	"strconv"

	"tidegate/providers"
	"tidegate/providers/internal/durable"
)

// ids returns the numbers of the wanted owner and group, -1 where none is wanted. Names are
// looked up at each use: an account may come into being while Tidegate runs.
func (s *sink) ids() (uid, gid int, err error) {
	if uid, err = lookUp(s.owner, userID); err != nil {
		return -1, -1, providers.AttributeErrorf("owner", "of %s: %w", s.path, err)
	}
	if gid, err = lookUp(s.group, groupID); err != nil {
		return -1, -1, providers.AttributeErrorf("group", "of %s: %w", s.path, err)
	}
	return uid, gid, nil
}

func lookUp(name string, find func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	// One less than the largest: the last number means "leave it".
	if n, err := strconv.ParseUint(name, 10, 32); err == nil && n < 1<<32-1 {
		return int(n), nil
	}
	id, err := find(name)
	if err != nil {
		return -1, err
	}
	return strconv.Atoi(id)
}

func userID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// differs lists what is not as wanted beside the content. Where nothing was asked for,
// nothing is, but that sensitive content must not be open to others.
func (s *sink) differs(info fs.FileInfo) ([]string, error) {
	var out []string
	is := info.Mode().Perm()
	switch {
	case runtime.GOOS == "windows": // modes there say nothing that could be compared
	case s.mode != unset && is != s.mode:
		out = append(out, fmt.Sprintf("mode is %s, want %s", modeText(is), modeText(s.mode)))
	case s.mode == unset && s.sensitive && is&0o077 != 0:
		out = append(out, fmt.Sprintf("mode is %s, want %s, since the content is sensitive", modeText(is), modeText(s.modeOver(info))))
	}
	if s.owner == "" && s.group == "" {
		return out, nil
	}
	uid, gid, err := s.ids()
	if err != nil {
		return out, err
	}
	isUID, isGID, ok := durable.Owner(info)
	if ok && uid >= 0 && uid != isUID {
		out = append(out, fmt.Sprintf("owner is %s, want %s", userName(isUID), s.owner))
	}
	if ok && gid >= 0 && gid != isGID {
		out = append(out, fmt.Sprintf("group is %s, want %s", groupName(isGID), s.group))
	}
	return out, nil
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}
