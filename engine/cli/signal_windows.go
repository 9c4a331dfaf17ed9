package cli

import "os"

// reloadSignals is empty: Windows has none.
var reloadSignals []os.Signal

func monotonic() string { return "0" }
