package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/term"

	"tidegate/engine/view"
)

// interactive edits lines on a terminal, with history and completion. Ctrl-C, Ctrl-D and exit
// end it.
func (c *console) interactive(ctx context.Context, path string) error {
	fd := int(file(c.Stdin).Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return c.lines(ctx)
	}
	defer term.Restore(fd, before)
	in, done := interruptible(ctx, file(c.Stdin))
	defer done()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, c.Stdout}, "> ")
	c.out, c.err = t, t
	c.resize(t, fd)
	past, err := openHistory(ctx, path)
	if err != nil {
		c.warn(forgetful(err), "")
	} else if path != "" && past.Len() == 0 {
		fmt.Fprintf(t, "What is typed here is kept in %s, but for lines that begin with a blank. --history=false keeps nothing.\n",
			view.Escape(filepath.ToSlash(path)))
	}
	t.History = past
	complete := c.completer(ctx)
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return line, pos, false
		}
		return c.tab(t, complete, line, pos)
	}
	for {
		text, err := t.ReadLine()
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			fmt.Fprintln(t)
			break
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return errors.Join(err, past.close())
		}
		if !c.line(ctx, text) {
			break
		}
		c.resize(t, fd)
	}
	if err := past.close(); err != nil {
		c.warn(forgetful(err), "")
	}
	if ctx.Err() != nil {
		return errFailed
	}
	return nil
}

func forgetful(err error) hcl.Diagnostics {
	return hcl.Diagnostics{{
		Severity: hcl.DiagWarning, Summary: "Lines are not kept", Detail: sentence(err.Error()) + " --history=false keeps none, without this warning.",
	}}
}

// resize follows the terminal from line to line.
func (c *console) resize(t *term.Terminal, fd int) {
	if w, h, err := term.GetSize(fd); err == nil && w > 0 {
		_ = t.SetSize(w, h)
	}
}

// tab completes the word before the cursor, or lists what it may become.
func (c *console) tab(t *term.Terminal, complete *completer, line string, pos int) (string, int, bool) {
	word, candidates := complete.complete(line[:pos])
	switch {
	case len(candidates) == 0:
		return line, pos, true
	case len(candidates[0]) > len(word):
		rest := candidates[0][len(word):]
		return line[:pos] + rest + line[pos:], pos + len(rest), true
	case len(candidates) > 2:
		c.list(t, candidates[1:])
	}
	return line, pos, true
}

// maxListed is how many candidates are shown.
const maxListed = 120

func (c *console) list(w io.Writer, names []string) {
	more := len(names) - maxListed
	names = slices.Clone(names[:min(len(names), maxListed)])
	width := 0
	for i, name := range names {
		names[i] = view.Escape(name)
		width = max(width, len(names[i])+2)
	}
	columns := max(1, cmp.Or(c.style(c.Stdout).Width, 80)/width)
	var b strings.Builder
	for i, name := range names {
		b.WriteString(name)
		if i%columns == columns-1 || i == len(names)-1 {
			b.WriteByte('\n')
			continue
		}
		b.WriteString(strings.Repeat(" ", width-len(name)))
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	_, _ = io.WriteString(w, b.String())
}
