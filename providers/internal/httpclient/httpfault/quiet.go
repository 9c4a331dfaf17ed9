package httpfault

import (
	"io"
	"log"
)

// Quiet returns a logger for servers whose complaints are what the test is about.
func Quiet() *log.Logger { return log.New(io.Discard, "", 0) }
