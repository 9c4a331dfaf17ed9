package cli

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"tidegate/providers"
)

// Process is what the tool sees of the process it runs in.
type Process struct {
	Args    []string // without the program's name
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Environ []string
}

// Main runs the tool with the given kinds and ends the process.
func Main(kinds []*providers.Kind) {
	serveAsInit()
	hurry()
	ctx, cancel := context.WithCancel(context.Background())
	// Taken from here on: a signal that comes before the goroutine runs would end us in the middle
	// of what has to be put back, such as the state of a terminal.
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go interrupts(ch, cancel)
	// A reader that goes away is an error of the write, not the death of an apply. Ignoring
	// the signal would be inherited by the programs we run; taking it is not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// net/http hands what a server sends out of turn to the standard logger, unredacted.
	log.SetOutput(io.Discard)
	os.Exit(Run(ctx, Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
	}, kinds))
}

// interrupts stops gracefully at the first interrupt and at once at the second.
func interrupts(ch <-chan os.Signal, cancel context.CancelFunc) {
	<-ch
	cancel()
	if slices.Contains(os.Args, "--watch") && !isTerminal(os.Stderr) {
		// It is a log, which tells of the end by itself; nobody there interrupts by hand.
		<-ch
		os.Exit(1)
	}
	// In the background: a stderr that nobody reads must not keep the second one waiting.
	go fmt.Fprintln(os.Stderr, "\nInterrupted: finishing what is under way. Interrupt again to stop at once.")
	<-ch
	os.Exit(1)
}
