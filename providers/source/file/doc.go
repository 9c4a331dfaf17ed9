// Package file is the source "file": one file on the local disk, or a directory of files.
//
// What happens when this fails? The look is an error and nothing else: a file that is
// missing, unreadable, too large or always in the middle of being written never counts as
// empty, and the accepted value stays in use. Nothing blocks: pipes, sockets and devices are
// refused without being opened.
//
// Each look reads everything. Size and time of a file are no proof that its bytes are the
// same (a restored backup, two writes within one tick of the clock), so there is no
// validator; the engine compares hashes.
package file
