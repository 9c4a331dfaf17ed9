package httpclient

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// reason says in words why an exchange failed, without what wraps it on the way ("dial
// tcp: ...") where the wrapping says less than the reason.
func reason(err error) error {
	var (
		refusal *RefusedError
		dns     *net.DNSError
	)
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &dns):
		return dns
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the answer was cut off: %w", err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the server closed the connection without an answer: %w", err)
	}
	if because := tlsReason(err); because != nil {
		return because
	}
	if isTimeout(err) {
		return fmt.Errorf("the server cannot be reached: %w", err)
	}
	return err
}

func isRefusal(err error) bool {
	var refusal *RefusedError
	return errors.As(err, &refusal)
}

// cleaned is an error whose text may hold what a server sent, with control characters
// escaped: an answer must not be able to write to a terminal or forge a log line.
type cleaned struct {
	text string
	err  error
}

func (e *cleaned) Error() string { return e.text }
func (e *cleaned) Unwrap() error { return e.err }

func clean(err error) error {
	text := err.Error()
	if safe := Escape(text); safe != text {
		return &cleaned{safe, err}
	}
	return err
}
