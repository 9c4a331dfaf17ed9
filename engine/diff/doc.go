// Package diff tells what changed, as values: between two texts by lines (LineDiff) and between
// two configuration values by paths (Values). It has no I/O, no clock and no randomness
// that could be seen: the same input gives the same answer.
//
// When this fails: a diff is for showing, never for deciding. Whether something changed is decided
// by comparing bytes or values; a diff of different input is never silent, though. Binary content and
// content too large to compare line by line are said to be so (Lines.Binary, Lines.Truncated);
// where finding the smallest diff would cost too much, a correct but larger one is
// returned (Lines.Coarse). Work is bounded by counted steps, so content that a stranger
// sent cannot stall a plan.
//
// Nothing is escaped or redacted here. Text may hold terminal control characters, and
// values keep their sensitivity marks; both are for the renderer to treat.
package diff
