package exec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// maxChanges is how long the value of TIDEGATE_CHANGES may be: systems limit the
// environment, Linux a single variable to 128 KiB.
const maxChanges = 64 << 10

// cut returns a JSON list with as many of the first entries as fit into limit bytes, and how
// many are left out.
func cut(changes []byte, limit int) (short []byte, omitted int, err error) {
	var entries []json.RawMessage
	if len(changes) > 0 {
		if err := json.Unmarshal(changes, &entries); err != nil {
			return nil, 0, fmt.Errorf("the changes of the delivery are no JSON list: %w", err)
		}
	}
	short = append(short, '[')
	for i, e := range entries {
		var entry bytes.Buffer
		if err := json.Compact(&entry, e); err != nil {
			return nil, 0, err
		}
		if len(short)+1+entry.Len()+1 > limit {
			omitted = len(entries) - i
			break
		}
		if i > 0 {
			short = append(short, ',')
		}
		short = append(short, entry.Bytes()...)
	}
	return append(short, ']'), omitted, nil
}

// writeChanges puts all changes into a file that only this user can read. A process that is
// killed leaves it in the directory for temporary files; it holds no secrets.
func writeChanges(changes []byte) (path string, err error) {
	f, err := os.CreateTemp("", "tidegate-changes-*.json") // 0600
	if err != nil {
		return "", fmt.Errorf("make the file of changes: %w", err)
	}
	if len(changes) == 0 {
		changes = []byte("[]")
	}
	_, err = f.Write(changes)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("write the file of changes: %w", err)
	}
	return f.Name(), nil
}
