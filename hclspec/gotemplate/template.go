// Package gotemplate renders templates of Go's text/template with the functions of sprig that
// depend on their arguments alone: the same template and the same data make the same bytes.
//
// What happens when this fails? It returns an error with the template's name and line, and no
// text. A key that is not there, and a value that is null where it would be printed, are such
// errors. A template that would not end, or make more than the Limits, is given up: each pass of
// a loop, each template and each function counts, and what functions return is measured.
package gotemplate

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// Limits bounds one rendering.
type Limits struct {
	Bytes int           // of the text, and of any text on the way
	Steps int           // passes of loops, templates and functions; and the parts of one value
	Time  time.Duration // of all
}

// maxNesting is how deep blocks of a template, and templates in templates, may stand in each
// other. The parser and the evaluation recurse.
const maxNesting = 200

// Render executes the template src with the given data. Its errors are of type *Error.
func Render(name, src string, data map[string]any, limits Limits) (string, error) {
	r := &run{limits: limits, until: time.Now().Add(limits.Time)}
	t, err := r.parse(name, src)
	if err != nil {
		return "", err
	}
	out := &output{limit: limits.Bytes}
	if err := t.Execute(out, data); err != nil {
		return "", told(name, err)
	}
	return out.String(), nil
}

// Check reports whether src is a template, without data.
func Check(name, src string) error {
	_, err := (&run{}).parse(name, src)
	return err
}

// A run is one rendering: what it may still cost.
type run struct {
	limits Limits
	until  time.Time
	steps  int
	depth  int
}

// undefined is what the parser says of a function that is not there.
var undefined = regexp.MustCompile(`function "([^"]+)" not defined`)

func (r *run) parse(name, src string) (*template.Template, error) {
	if err := nesting(name, src); err != nil {
		return nil, err
	}
	t, err := template.New(name).Option("missingkey=error").Funcs(r.functions()).Parse(src)
	if err != nil {
		e := located(name, err)
		e.Discreet = true // no data was there
		if m := undefined.FindStringSubmatch(e.What); m != nil && refused(m[1]) {
			e.What += ": its result depends on more than its arguments, and what uses it would be written again and again; give the value as a variable"
		}
		return nil, e
	}
	for _, t := range t.Templates() {
		if t.Tree == nil {
			continue
		}
		watch(t.Root)
		nodes := append([]parse.Node{call(enterName, t.Root.Pos)}, t.Root.Nodes...)
		t.Root.Nodes = append(nodes, call(leaveName, t.Root.Pos))
	}
	return t, nil
}

// action matches the beginning of what opens, goes on with or ends a block.
var action = regexp.MustCompile(`\{\{(?:- )?\s*(if|range|with|define|block|else|end)\b`)

// nesting refuses what would take the parser too deep: blocks in blocks, and an else that each
// else of the chain before it holds.
func nesting(name, src string) error {
	open, depth := []int(nil), 0
	for _, m := range action.FindAllStringSubmatchIndex(src, -1) {
		switch word := src[m[2]:m[3]]; {
		case word == "end" && len(open) > 0:
			depth -= open[len(open)-1]
			open = open[:len(open)-1]
		case word == "end":
		case word == "else" && len(open) > 0:
			open[len(open)-1]++
			depth++
		case word != "else":
			open = append(open, 1)
			depth++
		}
		if depth > maxNesting {
			return &Error{
				Place:    fmt.Sprintf("%s:%d", name, 1+strings.Count(src[:m[0]], "\n")),
				What:     fmt.Sprintf("blocks stand more than %d deep inside each other", maxNesting),
				Discreet: true,
			}
		}
	}
	return nil
}

// Names of the functions that watch puts into a template. Nobody would call them that.
const (
	stepName  = "tidegate_step"
	enterName = "tidegate_enter"
	leaveName = "tidegate_leave"
	shownName = "tidegate_shown"
)

// watch puts a call into each loop, so that none runs without an end, and after each value that
// is printed.
func watch(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 0 {
				n.Pipe.Cmds = append(n.Pipe.Cmds, command(shownName, n.Pos))
			}
		case *parse.IfNode:
			watch(n.List)
			watch(n.ElseList)
		case *parse.WithNode:
			watch(n.List)
			watch(n.ElseList)
		case *parse.RangeNode:
			watch(n.List)
			watch(n.ElseList)
			n.List.Nodes = append([]parse.Node{call(stepName, n.Pos)}, n.List.Nodes...)
		}
	}
}

// call is the action that calls a function at a place of the template.
func call(name string, pos parse.Pos) parse.Node {
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{command(name, pos)}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: pos, Pipe: pipe}
}

func command(name string, pos parse.Pos) *parse.CommandNode {
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: []parse.Node{parse.NewIdentifier(name).SetPos(pos)}}
}

// A limitError says which limit was passed. It goes through text/template as it is.
type limitError struct{ what string }

func (e *limitError) Error() string { return e.what }

// step is called for each pass of a loop, each template and each function.
func (r *run) step() (string, error) {
	r.steps++
	switch {
	case r.steps > r.limits.Steps:
		return "", &limitError{fmt.Sprintf("it was given up after %d steps: each pass of a loop, each template and each function is one. Go through less, or let a source give the finished text", r.limits.Steps)}
	case r.steps%64 == 0 && time.Now().After(r.until):
		return "", &limitError{fmt.Sprintf("it was given up after %s", r.limits.Time)}
	}
	return "", nil
}

func (r *run) enter() (string, error) {
	if r.depth++; r.depth > maxNesting {
		return "", &limitError{fmt.Sprintf("templates stand more than %d deep inside each other; does one call itself?", maxNesting)}
	}
	return r.step()
}

func (r *run) leave() string {
	r.depth--
	return ""
}

// errNull is of what text/template would print as <no value>.
var errNull = &limitError{"a value that is null is printed here; use default, or an if"}

// shown is called with each value that is printed.
func shown(v any) (any, error) {
	if v == nil {
		return nil, errNull
	}
	return v, nil
}

// output collects the text.
type output struct {
	strings.Builder
	limit int
}

func (o *output) Write(p []byte) (int, error) {
	if o.Len()+len(p) > o.limit {
		return 0, &limitError{fmt.Sprintf("the text is larger than %d MiB", o.limit>>20)}
	}
	return o.Builder.Write(p)
}

// An Error is why there is no text: Place, mostly NAME:LINE:COLUMN, and what is wrong there.
type Error struct {
	Place, What string
	// Discreet is set where What is about the template alone, and cannot quote the data.
	Discreet bool
}

func (e *Error) Error() string { return e.Place + ": " + e.What }

var (
	// place is how text/template begins an error.
	place = regexp.MustCompile(`^(?s)template: (.*?:[0-9]+(?::[0-9]+)?): (.*)$`)
	// missing is what it says of a key that is not there, which the template names.
	missing = regexp.MustCompile(`^executing "[^"]*" at <[^<>]*>: map has no entry for key "[^"]*"$`)
)

// located is an error of text/template.
func located(name string, err error) *Error {
	if m := place.FindStringSubmatch(err.Error()); m != nil {
		return &Error{Place: m[1], What: m[2], Discreet: missing.MatchString(m[2])}
	}
	return &Error{Place: name, What: strings.TrimPrefix(err.Error(), "template: ")}
}

// told is an error of the evaluation, in words of ours where it is about what watch put in.
func told(name string, err error) *Error {
	e := located(name, err)
	var limit *limitError
	if errors.As(err, &limit) {
		e.What, e.Discreet = limit.what, true
	}
	return e
}
