package durable

import (
	"context"
	"errors"
)

// errGivenUp is what await answers when nobody waits any longer.
var errGivenUp = errors.New("given up")

// await runs f and waits for it until ctx is done. A system call on a dead disk cannot be
// interrupted: then f goes on by itself until the disk answers, and its result is lost.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	if ctx.Done() == nil {
		return f()
	}
	var none T
	if ctx.Err() != nil {
		return none, errGivenUp
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, errGivenUp
	}
}

// Await runs f, which reads, and returns when it is through or ctx is done, whichever is first.
func Await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	v, err := await(ctx, f)
	if errors.Is(err, errGivenUp) {
		err = context.Cause(ctx)
	}
	return v, err
}
