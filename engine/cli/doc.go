// Package cli is the command line: one file for each command, and beside them what all
// share (flags, terminals, signals, how errors leave the process).
//
// When a command fails it exits with 1 and has said why on stderr; with --json the same
// stands as JSON on stdout, which holds nothing else. A closed or full stdout is a failure
// too, a quiet one if a reader such as head went away.
package cli
