package view

import (
	"fmt"
	"strings"

	"tidegate/engine/plan"
)

// maxLeftOut is how many addresses the text names of what a plan leaves out.
const maxLeftOut = 8

// LeftOut says in a sentence what a selection leaves out, "" where there is none.
func LeftOut(s *plan.Selection) string { return leftOut(s, func(s string) string { return s }) }

// leftOut writes addresses and flags by code.
func leftOut(s *plan.Selection, code func(string) string) string {
	if s == nil {
		return ""
	}
	var flags []string
	for _, t := range s.Targets {
		flags = append(flags, code("--target "+t))
	}
	for _, t := range s.Excludes {
		flags = append(flags, code("--exclude "+t))
	}
	by := " (" + strings.Join(flags, ", ") + ")"
	if len(s.LeftOut) == 0 {
		return "Left out: nothing" + by + "."
	}
	var names []string
	for _, a := range s.LeftOut {
		names = append(names, code(a.String()))
	}
	more := ""
	if n := len(names) - maxLeftOut; n > 1 {
		names, more = names[:maxLeftOut], fmt.Sprintf(" and %d more", n)
	}
	return "Left out: " + strings.Join(names, ", ") + more + by + ". They were not looked at and stay as they are."
}

// selectionJSON is what a plan's JSON says of its selection, beside Terraform's fields.
type selectionJSON struct {
	Targets  []string `json:"targets,omitempty"`
	Excludes []string `json:"excludes,omitempty"`
	LeftOut  []string `json:"left_out"`
}

func selectionOf(s *plan.Selection) *selectionJSON {
	if s == nil {
		return nil
	}
	out := &selectionJSON{Targets: s.Targets, Excludes: s.Excludes, LeftOut: []string{}}
	for _, a := range s.LeftOut {
		out.LeftOut = append(out.LeftOut, a.String())
	}
	return out
}
