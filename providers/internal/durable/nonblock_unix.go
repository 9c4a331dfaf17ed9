//go:build unix

package durable

import "syscall"

// nonblock keeps an open from waiting for the other end of a named pipe.
const nonblock = syscall.O_NONBLOCK

// nofollow makes an open of a link fail.
const nofollow = syscall.O_NOFOLLOW
