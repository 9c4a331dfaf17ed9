package cli

import (
	"fmt"
	"io"

	"github.com/hashicorp/go-hclog"
)

// logger writes to stderr what TIDEGATE_LOG asks for, by default nothing.
func (a *app) logger() hclog.Logger { return a.loggerTo(a.Stderr, hclog.Off) }

// loggerTo is logger for a command that logs from some level on if nobody asks.
func (a *app) loggerTo(w io.Writer, standard hclog.Level) hclog.Logger {
	word := a.env("TIDEGATE_LOG")
	if word == "" && standard == hclog.Off {
		return hclog.NewNullLogger()
	}
	level := standard
	if word != "" {
		level = hclog.LevelFromString(word)
	}
	if level == hclog.NoLevel {
		fmt.Fprintf(a.Stderr, "Warning: TIDEGATE_LOG=%q is no level; trace, debug, info, warn, error and off are.\n", word)
		level = hclog.Info
	}
	format := a.env("TIDEGATE_LOG_FORMAT")
	if format != "" && format != "text" && format != "json" {
		fmt.Fprintf(a.Stderr, "Warning: TIDEGATE_LOG_FORMAT=%q is no format; text and json are.\n", format)
	}
	return hclog.New(&hclog.LoggerOptions{
		Name: "tidegate", Level: level, Output: w, JSONFormat: format == "json",
	})
}
