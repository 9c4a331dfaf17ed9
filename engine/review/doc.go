// Package review compares two configurations without touching anything that they deliver to:
// what a change to the .hcl files does, beside what the world did meanwhile. The one before
// comes out of a git repository, both are planned against the same fetched values, and targets
// are remembered instead of written. No state is needed.
package review
