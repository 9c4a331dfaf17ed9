package git

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// MaxBlob bounds a file that is read out of a repository, as a source is bounded.
const MaxBlob = 64 << 20

// Blobs reads contents out of a repository, through one process. It must be closed. It may be
// asked by several goroutines.
type Blobs struct {
	mutex sync.Mutex
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
}

// OpenBlobs starts to read the repository in a directory.
func OpenBlobs(dir string) (*Blobs, error) {
	return openBlobs(append(os.Environ(), quiet...), arguments(dir, nil))
}

func openBlobs(environ, args []string) (*Blobs, error) {
	// It ends when its input is closed.
	cmd := exec.Command("git", append(slices.Clone(args), "cat-file", "--batch")...)
	cmd.Env = environ
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Blobs{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// Close ends the reading.
func (b *Blobs) Close() error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	_ = b.in.Close()
	return b.cmd.Wait()
}

// Get returns the content of a blob by its name.
func (b *Blobs) Get(name string) ([]byte, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if _, err := io.WriteString(b.in, name+"\n"); err != nil {
		return nil, err
	}
	head, err := b.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("git ended: %w", err)
	}
	fields := strings.Fields(head)
	if len(fields) != 3 || fields[1] != "blob" {
		return nil, fmt.Errorf("git has no content %s; a partial clone may lack it", name)
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return nil, err
	}
	if size > MaxBlob {
		if _, err := io.CopyN(io.Discard, b.out, size+1); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("it has more than %d MiB", MaxBlob>>20)
	}
	data := make([]byte, size+1)
	if _, err := io.ReadFull(b.out, data); err != nil {
		return nil, err
	}
	return data[:size:size], nil
}
