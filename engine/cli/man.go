package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/hclspec"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages",
		Long:   "Write a manual page for each command into DIR, which is made if need be, for packages.",
		Hidden: true,
		Args:   exactly("the directory to write to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := a.path(args[0])
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return a.failWith("Cannot make the directory", err, false)
			}
			for _, c := range commandsOf(cmd.Root()) {
				if err := os.WriteFile(filepath.Join(dir, manName(c)+".1"), manPage(c), 0o644); err != nil {
					return a.failWith("Cannot write a page", err, false)
				}
			}
			return nil
		},
	}
}

// commandsOf returns a command and all below it that are shown.
func commandsOf(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, commandsOf(sub)...)
		}
	}
	return out
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// roff is a page of the manual in the macros of man(7).
type roff struct{ bytes.Buffer }

func manPage(cmd *cobra.Command) []byte {
	p := &roff{}
	fmt.Fprintf(p, ".TH %q \"1\" \"\" %q \"Tidegate\"\n", strings.ToUpper(manName(cmd)), "tidegate "+hclspec.Version)
	p.section("NAME")
	p.text(manName(cmd) + " - " + cmd.Short)
	p.section("SYNOPSIS")
	_, usage, _ := strings.Cut(cmd.Use, " ")
	usage = strings.TrimSpace(usage + " [flags]")
	if cmd.HasAvailableSubCommands() {
		usage = "COMMAND"
	}
	fmt.Fprintf(p, "\\fB%s\\fR %s\n", roffText(cmd.CommandPath()), roffText(usage))
	p.section("DESCRIPTION")
	p.text(cmd.Long)
	if cmd.Long == "" {
		p.text(cmd.Short + ".")
	}
	p.commands(cmd)
	p.flags("OPTIONS", cmd.NonInheritedFlags(), cmd.HasParent())
	p.flags("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags(), true)
	if !cmd.HasParent() {
		p.flags("OPTIONS OF ALL COMMANDS", cmd.PersistentFlags(), true)
		p.list("EXIT STATUS", exitStatus)
		p.list("ENVIRONMENT", environment)
	}
	p.related(cmd)
	return p.Bytes()
}

var exitStatus = [][2]string{
	{"0", "Success, also of an apply part of which is deferred."},
	{"1", "An error: a mistake in the configuration or on the command line, a failed source, a rejected value, a failed delivery, an interrupt, a declined apply."},
	{"2", "Of plan --detailed-exitcode: there are changes; of drift: a target drifted. An error is 1 all the same."},
	{"3", "Of fmt --check: a file is not in the canonical style."},
}

var environment = [][2]string{
	{"TIDEGATE_VAR_name", "The value of the variable name, unless a file or a flag gives another."},
	{"TIDEGATE_LOG", "Writes logs of this level to stderr: trace, debug, info, warn or error."},
	{"TIDEGATE_LOG_FORMAT", "json writes logs as JSON."},
	{"STATE_DIRECTORY", "Where the state is, unless the configuration or --state says otherwise."},
	{"RUNTIME_DIRECTORY", "Where the control socket of apply --watch is."},
	{"NO_COLOR", "No colours, if it is set."},
}

func (p *roff) section(name string) { fmt.Fprintf(p, ".SH %q\n", name) }

// text writes paragraphs, which blank lines divide.
func (p *roff) text(s string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		for line := range strings.Lines(paragraph) {
			p.WriteString(roffText(strings.TrimSpace(line)) + "\n")
		}
	}
}

func (p *roff) commands(cmd *cobra.Command) {
	var list [][2]string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			list = append(list, [2]string{sub.Use, sub.Short + "."})
		}
	}
	p.list("COMMANDS", list)
}

func (p *roff) list(name string, entries [][2]string) {
	if len(entries) == 0 {
		return
	}
	p.section(name)
	for _, e := range entries {
		fmt.Fprintf(p, ".TP\n\\fB%s\\fR\n", roffText(e[0]))
		p.text(e[1])
	}
}

func (p *roff) flags(name string, flags *pflag.FlagSet, wanted bool) {
	if !wanted || !flags.HasAvailableFlags() {
		return
	}
	p.section(name)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(p, ".TP\n\\fB%s\\fR", roffText("--"+f.Name))
		if value != "" {
			fmt.Fprintf(p, " \\fI%s\\fR", roffText(value))
		}
		p.WriteString("\n")
		switch f.DefValue {
		case "", "false", "[]", "0", "0s":
		default:
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		p.text(usage)
	})
}

func (p *roff) related(cmd *cobra.Command) {
	var names []string
	if cmd.HasParent() {
		names = append(names, manName(cmd.Parent()))
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, manName(sub))
		}
	}
	if len(names) == 0 {
		return
	}
	p.section("SEE ALSO")
	for i, name := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		fmt.Fprintf(p, ".BR %s (1)%s\n", roffText(name), end)
	}
}

// roffText writes a text so that nothing in it is a request or an escape.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\`", "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
