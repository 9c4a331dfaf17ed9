package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// header is what the first bytes of a database file tell without SQLite, which would
// already recover and change what it opens. See https://www.sqlite.org/fileformat.html.
type header struct {
	schema      int
	application uint32
}

const (
	headerSize  = 100
	headerMagic = "SQLite format 3\x00"
)

// readHeader refuses what cannot be a state. A state that is not there is fs.ErrNotExist;
// an empty file is a damaged one, since a new state gets its name only when it is complete.
func readHeader(path string) (header, error) {
	info, err := os.Stat(path)
	if err != nil {
		return header{}, err
	}
	if !info.Mode().IsRegular() {
		return header{}, corrupt("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return header{}, err
	}
	defer file.Close()
	buf := make([]byte, headerSize)
	if _, err := io.ReadFull(file, buf); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return header{}, corrupt("%s is empty or cut off", path)
	} else if err != nil {
		return header{}, err
	}
	if string(buf[:16]) != headerMagic {
		return header{}, corrupt("%s is not a state", path)
	}
	h := header{
		schema:      int(int32(binary.BigEndian.Uint32(buf[60:]))),
		application: binary.BigEndian.Uint32(buf[68:]),
	}
	if h.application != applicationID {
		return header{}, corrupt("%s is a database, but not a state", path)
	}
	return h, nil
}

// inspect judges the files of a state before anything opens or changes them.
func (f files) inspect() (header, error) {
	h, err := readHeader(f.db)
	if !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	for _, rest := range []string{f.wal(), f.journal()} {
		// SQLite would play it into a new database.
		if _, err := os.Lstat(rest); err == nil {
			return header{}, corrupt("%s is missing, but %s is there", f.db, rest)
		}
	}
	return h, err
}

// refuseNewer compares a schema with the newest that this program knows.
func (f files) refuseNewer(found int, s schema) error {
	if found <= s.version {
		return nil
	}
	return fmt.Errorf("open the state %s: %w: it has schema %d, this one knows %d (nothing was changed)", f.db, ErrNewer, found, s.version)
}
