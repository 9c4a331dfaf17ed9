// Package view writes plans, events, diagnostics, states and graphs for people and for
// programs. It computes nothing and looks at nothing: each function takes a value and an
// io.Writer, and returns the writer's first error.
//
// When a view is wrong it is wrong in one of two ways that matter: it shows a secret, or it
// hides what is there. So sensitive values are written as "(sensitive value)" without their
// length, and everything that strangers wrote (values, contents, messages, names) has its
// control characters, direction overrides and broken UTF-8 written out visibly before it
// reaches a terminal. Colour repeats what marks and words already say.
package view

// Style says how text is laid out.
type Style struct {
	Width int  // columns; 0 for no limit
	Color bool // terminal colours
}
