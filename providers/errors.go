package providers

import (
	"errors"
	"fmt"
	"time"
)

// ErrOutcomeUnknown is wrapped by a sink's error after which nobody knows whether the target
// was changed: the engine delivers again, with the same idempotency key.
var ErrOutcomeUnknown = errors.New("the outcome is unknown")

// Class says what an error means for the next attempt.
type Class int

const (
	// ClassTemporary may pass by itself: try again after a back-off. It is the class of every
	// error that says nothing else.
	ClassTemporary Class = iota
	// ClassPermanent stays until the configuration or the value changes: do not try again now.
	ClassPermanent
)

type classified struct {
	err   error
	class Class
	after time.Duration
}

func (e *classified) Error() string { return e.err.Error() }
func (e *classified) Unwrap() error { return e.err }

// ErrOtherWriter is in the error of a Write whose target somebody else keeps writing.
var ErrOtherWriter = errors.New("another program writes it too")

// ErrGone is in the error of a Write whose target says that it never takes this delivery: it is
// not sent again until its content or its block changes.
var ErrGone = errors.New("it is gone for good")

// Temporary marks an error as one that may pass by itself.
func Temporary(err error) error { return &classified{err: err, class: ClassTemporary} }

// Permanent marks an error that trying again cannot mend.
func Permanent(err error) error { return &classified{err: err, class: ClassPermanent} }

// After marks an error whose origin asked to wait at least d before the next try.
func After(err error, d time.Duration) error {
	return &classified{err: err, class: ClassTemporary, after: d}
}

// Classify returns what err means for the next attempt, and the wait its origin asked for.
func Classify(err error) (Class, time.Duration) {
	var c *classified
	if errors.As(err, &c) {
		return c.class, c.after
	}
	return ClassTemporary, 0
}

// AttributeError is a mistake in one attribute of a block, so that the engine can point at it.
type AttributeError struct {
	Attribute string   // "block.attribute" in a nested block, "" for the block as a whole
	Beside    []string // other attributes without which it would be none
	Err       error
}

func (e *AttributeError) Error() string {
	if e.Attribute == "" {
		return e.Err.Error()
	}
	return e.Attribute + ": " + e.Err.Error()
}

func (e *AttributeError) Unwrap() error { return e.Err }

// AttributeErrorf returns an AttributeError for the named attribute.
func AttributeErrorf(attribute, format string, args ...any) error {
	return &AttributeError{Attribute: attribute, Err: fmt.Errorf(format, args...)}
}

// AttributesErrorf returns an AttributeError for the first of several attributes that do not
// go together. It is not reported while one of them is unknown.
func AttributesErrorf(attributes []string, format string, args ...any) error {
	return &AttributeError{Attribute: attributes[0], Beside: attributes[1:], Err: fmt.Errorf(format, args...)}
}

// mistakes returns the errors that errors.Join put together, in their order.
func mistakes(err error) []error {
	if _, is := err.(*AttributeError); is {
		return []error{err}
	}
	joined, is := err.(interface{ Unwrap() []error })
	if !is {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, mistakes(e)...)
	}
	return out
}
