package durable

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
)

// errGivenUp is what await answers when nobody waits any longer.
var errGivenUp = errors.New("given up")

// await runs f, which works at path, and waits for it until ctx is done. A system call on a
// dead disk cannot be interrupted: then f goes on by itself until the disk answers, and its
// result is lost. Until it ends no further f is begun at that path: each would keep a thread,
// and a disk that is dead for days would use them all up.
func await[T any](ctx context.Context, path string, f func() (T, error)) (T, error) {
	if ctx.Done() == nil {
		return f()
	}
	var none T
	if ctx.Err() != nil || !left.turn(ctx, path) {
		return none, errGivenUp
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	c := &call{path: path, over: make(chan struct{})}
	go func() {
		defer left.end(c)
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		left.add(c)
		return none, errGivenUp
	}
}

// Await runs f, which reads at path, and returns when it is through or ctx is done, whichever
// is first.
func Await[T any](ctx context.Context, path string, f func() (T, error)) (T, error) {
	v, err := await(ctx, path, f)
	if errors.Is(err, errGivenUp) {
		err = context.Cause(ctx)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("the file system of %s does not answer: %w", path, err)
		}
	}
	return v, err
}

// maxLeft is how many calls may be left behind in one directory.
const maxLeft = 8

// left are the calls that nobody waits for any more, by directory. It is empty unless a file
// system hangs.
var left = leftBehind{calls: map[string][]*call{}}

type leftBehind struct {
	mu    sync.Mutex
	calls map[string][]*call
}

// call is one run of a function that works at path.
type call struct {
	path string
	over chan struct{} // closed when it ended
}

// turn waits until a call at path may begin, and answers false if ctx is done before.
func (l *leftBehind) turn(ctx context.Context, path string) bool {
	for {
		c := l.before(path)
		if c == nil {
			return true
		}
		select {
		case <-c.over:
		case <-ctx.Done():
			return false
		}
	}
}

// before returns a call whose end has to be waited for, nil if there is none.
func (l *leftBehind) before(path string) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.calls[filepath.Dir(path)]
	for _, c := range calls {
		if c.path == path {
			return c
		}
	}
	if len(calls) >= maxLeft {
		return calls[0]
	}
	return nil
}

func (l *leftBehind) add(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-c.over: // it ended at the same moment
	default:
		dir := filepath.Dir(c.path)
		l.calls[dir] = append(l.calls[dir], c)
	}
}

func (l *leftBehind) end(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(c.over)
	dir := filepath.Dir(c.path)
	for i, o := range l.calls[dir] {
		if o == c {
			l.calls[dir] = append(l.calls[dir][:i], l.calls[dir][i+1:]...)
			break
		}
	}
	if len(l.calls[dir]) == 0 {
		delete(l.calls, dir)
	}
}
