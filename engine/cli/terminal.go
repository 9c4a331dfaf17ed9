package cli

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"tidegate/engine/view"
)

// file returns the file behind a reader or writer, nil if there is none.
func file(v any) *os.File {
	if o, ok := v.(*output); ok {
		v = o.w
	}
	f, _ := v.(*os.File)
	return f
}

func isTerminal(v any) bool {
	f := file(v)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// style returns how to write to w: as wide as its terminal and in colour, or neither.
func (a *app) style(w io.Writer) view.Style {
	if !isTerminal(w) {
		return view.Style{}
	}
	width, _, err := term.GetSize(int(file(w).Fd()))
	if err != nil {
		width = 0
	}
	color := !a.noColor && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
	return view.Style{Width: width, Color: color}
}

// env returns a variable of the environment, the last if it is given twice.
func (a *app) env(name string) string {
	value := ""
	for _, entry := range a.Environ {
		if k, v, ok := strings.Cut(entry, "="); ok && k == name {
			value = v
		}
	}
	return value
}
