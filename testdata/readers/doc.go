// Package readers holds tests that hand plans to other people's programs.
package readers
