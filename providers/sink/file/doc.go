// Package file is the sink "file": one file on the local disk, replaced as a whole.
//
// What happens when this fails? The file stays as it was, byte for byte, with its owner and
// mode; the error names the path and what is missing. Only when the disk reports an error
// after the new file is in place, or does not answer any more, is the outcome unknown: the
// error says so (durable.ErrUnknown), and the delivery has to be repeated. A process that is
// killed may leave a hidden temporary file, which Sweep removes.
//
// A delivery counts as done when the new content is on the disk (file and directory flushed)
// and has been read back through its path: another writer, or a file system that is not what
// it seems, shows there and not later.
package file
