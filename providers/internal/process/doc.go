// Package process runs one program: an argument vector and never a shell line, in a session
// of its own, with a deadline, bounded output and no more environment than it is given.
//
// What happens when this fails? Every way to fail has an Error that names the reason: not
// found, not executable, exit status, signal, deadline, too much output. When the deadline
// passes or the context is done, the program and everything it started in its process group
// get SIGTERM and, after the grace period, SIGKILL. When the program itself ends, what it
// left behind in its group has a moment to finish writing and is then killed, so that
// nothing stays running. A descendant that makes a session of its own leaves the group and
// is not killed, but it cannot hold up Run: output is awaited only for a moment after the
// program's end.
//
// A program has no terminal: its session has none, and its standard input is the given
// bytes or /dev/null, so that a program that asks for a password fails instead of waiting.
//
// On Windows there are no process groups of this kind: the program alone is killed, at once.
package process
