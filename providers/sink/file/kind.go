package file

import "tidegate/providers"

// Kind declares the sink.
func Kind() *providers.Kind {
	return providers.SinkKind("file", providers.Doc{
		Summary: "Writes one file on the local disk, atomically and durably.",
		Description: `
The file is replaced as a whole: the content goes to a temporary file in the same directory, gets its
owner and mode, is flushed to the disk, takes the place of the old file by rename, and the directory is
flushed. A reader sees the old file or the new one and never a mixture, even across a power loss, and
at no moment is the file open to more readers than asked. Exactly the given bytes are written; no line
end is added. Afterwards the file is read back.

The user that Tidegate runs as needs the right to write the **directory**, since a file is replaced and
not overwritten. For the same reason a single file that is bound into a container cannot be a target
(bind its directory), a hard link is parted from its other names, and access control lists and extended
attributes of the old file are not carried over.

A symbolic link at ` + "`path`" + ` is refused: whoever plants one would otherwise choose what is
overwritten. Links in the directories above are followed, but with ` + "`paths.write`" + ` set they
cannot lead out of the allowed directories, even when they are swapped at the last instant. Two sinks
that would write one file are an error, by whatever paths they reach it.

When a delivery fails the old file stays as it was, and the error names what is missing: space, a right,
a directory. If the disk fails after the new file is in place, the error says that its durability is
unknown, and the delivery is repeated. A missing file, other content, and a mode, owner or group other
than the configured one count as drift.

References may read ` + "`path`" + ` and ` + "`sha256`" + ` (the hash of the content, in hexadecimal).`,
		Example: `
source "http" "app" {
  url = "https://config.example.com/api/config/myapp.json"
}

sink "file" "app" {
  path        = "/etc/myapp/config.json"
  content     = jsonencode(source.http.app.value)
  mode        = "0640"
  group       = "myapp"
  create_dirs = true
}`,
	}, func() *Config { return &Config{} }, build)
}
