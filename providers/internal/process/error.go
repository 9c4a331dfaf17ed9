package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"tidegate/providers"
)

var (
	// ErrOutput is part of the error of a program that wrote more than MaxStdout.
	ErrOutput = errors.New("more output than allowed")
	// ErrNotFound is part of the error of a program that is not there.
	ErrNotFound = errors.New("not found")
	// ErrTimeout is part of the error of a program that ran out of time.
	ErrTimeout = errors.New("timed out")
)

// Error is a program that did not do its work. Its text never contains what the program
// wrote to standard output.
type Error struct {
	Program  string
	Reason   string // "exited with status 3", as it follows the program's name
	ExitCode int    // -1 if it did not exit by itself
	Stderr   string // the end of what it wrote to standard error, safe to show
	Err      error  // what to find with errors.Is, may be nil
}

func (e *Error) Error() string {
	s := fmt.Sprintf("the program %q %s", e.Program, e.Reason)
	if e.Err != nil && !errors.Is(e.Err, ErrTimeout) && !errors.Is(e.Err, ErrOutput) {
		s += ": " + e.Err.Error()
	}
	if e.Stderr != "" {
		s += "; it said: " + e.Stderr
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Failed returns the error of a program whose exit status does not mean success.
func (c Command) Failed(res Result) error {
	return &Error{
		Program: c.Args[0], Reason: "exited with status " + strconv.Itoa(res.ExitCode),
		ExitCode: res.ExitCode, Stderr: Tail(res.Stderr, c.Redact),
	}
}

func (c Command) fail(res Result, reason string, err error) error {
	return &Error{Program: c.Args[0], Reason: reason, ExitCode: -1, Stderr: Tail(res.Stderr, c.Redact), Err: err}
}

func (r *run) stopped(res Result, why error) error {
	switch {
	case errors.Is(why, ErrTimeout):
		return r.fail(res, fmt.Sprintf("was stopped: it did not end within %v", r.Timeout), why)
	case errors.Is(why, ErrOutput):
		return r.fail(res, fmt.Sprintf("was stopped: it wrote more than %d bytes", r.MaxStdout), why)
	case errors.Is(why, context.DeadlineExceeded):
		return r.fail(res, "was stopped at the deadline", why)
	}
	return r.fail(res, "was stopped", why)
}

// explainStart says why a program did not start.
func explainStart(c Command, path string, err error) error {
	if _, dirErr := os.Stat(c.Dir + "/."); c.Dir != "" && dirErr != nil {
		return &Error{
			Program: c.Args[0], ExitCode: -1, Err: dirErr,
			Reason: "could not be started in its directory " + c.Dir,
		}
	}
	reason := "could not be started"
	switch {
	case errors.Is(err, ErrNotFound):
		reason = "was not found"
	case errors.Is(err, syscall.ETXTBSY):
		return providers.Temporary(&Error{
			Program: c.Args[0], ExitCode: -1, Err: err,
			Reason: fmt.Sprintf("is being written to just now (%s)", path),
		})
	case errors.Is(err, syscall.ENOEXEC):
		reason = fmt.Sprintf("is no program for this machine, and no script: %s has no line \"#!/...\" at its start", path)
	case errors.Is(err, syscall.E2BIG):
		return providers.Permanent(&Error{
			Program: c.Args[0], ExitCode: -1, Err: err,
			Reason: "could not be started: its arguments and environment are too long; hand large data over by stdin",
		})
	case errors.Is(err, fs.ErrPermission):
		reason = fmt.Sprintf("may not be executed: %s lacks the right to execute it, or its file system forbids it", path)
	case errors.Is(err, fs.ErrNotExist):
		reason = fmt.Sprintf("could not be started: %s is there, but the interpreter named in its first line is not", path)
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		reason = "could not be started for want of processes or memory"
	}
	return &Error{Program: c.Args[0], Reason: reason, ExitCode: -1, Err: err}
}

// tailShown is how much of standard error an error shows.
const tailShown = 2 << 10

// Tail returns the end of a program's output on one line and safe to show: redacted,
// invalid UTF-8 replaced, control characters escaped, at most 2 KiB. It is redacted as a
// whole before it is cut, so that no secret is cut in two and missed.
func Tail(out []byte, redact func(string) string) string {
	s := string(out)
	if redact != nil {
		s = redact(s)
	}
	s = strings.TrimSpace(s)
	cut := len(s) > tailShown
	if cut {
		s = s[len(s)-tailShown:]
		for len(s) > 0 && !utf8.RuneStart(s[0]) {
			s = s[1:]
		}
	}
	s = escape(strings.ToValidUTF8(s, "\uFFFD"))
	if cut {
		s = "..." + s
	}
	return s
}

// escape makes control and format characters (terminal escapes, bidirectional overrides)
// visible, and keeps the text on one line.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
