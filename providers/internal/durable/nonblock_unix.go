//go:build unix

package durable

import "syscall"

// NonBlock keeps an open from waiting for the other end of a named pipe.
const NonBlock = syscall.O_NONBLOCK

// noFollow makes an open of a link fail.
const noFollow = syscall.O_NOFOLLOW
