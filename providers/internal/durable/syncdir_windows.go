package durable

import "os"

// syncDir does nothing: Windows has no way to flush a directory, NTFS journals its entries.
func syncDir(*os.Root) error { return nil }
