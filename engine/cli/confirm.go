package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
)

// confirm asks on the terminal; only "yes" is a yes.
func (a *app) confirm(ctx context.Context, question string) (bool, error) {
	if !isTerminal(a.Stdin) {
		return false, errors.New("there is no terminal to ask on; add --auto-approve to go on without asking")
	}
	fmt.Fprintf(a.Stderr, "\n%s\n  Only 'yes' will be accepted to approve.\n\n  Enter a value: ", question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.Stdin).ReadString('\n')
		answer <- line
	}()
	select {
	case line := <-answer:
		return strings.TrimSpace(line) == "yes", nil
	case <-ctx.Done():
		return false, nil
	}
}
