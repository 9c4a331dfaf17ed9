// Package durable replaces, reads and removes single files so that a crash, a full disk or
// a hostile neighbour never leaves a reader with half a file.
//
// What happens when this fails? Before the rename nothing has changed: the old file stays,
// the temporary file is removed, and the error says what is missing (space, a right, a
// directory). An fsync that failed is never repeated on the same file, since the kernel may
// have dropped the data and call the second fsync a success; the next try starts from a new
// temporary file. After the rename the new content is visible; when the directory cannot be
// flushed then, the error is ErrUnknown: the content is there, but a power loss may bring
// the old one back, and the whole replacement has to be done again. When the process is
// killed, a temporary file named .NAME.tidegate-XXXXXXXX may stay behind; Sweep removes it
// unless a living process holds it.
//
// All work happens relative to one open directory (os.Root). A parent that is swapped for
// a link while a file is being replaced cannot lead the write elsewhere; a link at the
// target itself is refused and never followed. Access control lists, extended attributes and
// hard links of the replaced file are not carried over: the target is a new file.
//
// On Windows there are no owners, modes are reduced to the read-only bit, and directories
// cannot be flushed: a replacement is atomic there, and durable as far as NTFS journals it.
package durable
