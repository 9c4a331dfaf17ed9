package cli

import (
	"bytes"
	"fmt"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"tidegate/engine/scenario"
	"tidegate/engine/view"
	"tidegate/hclspec"
)

type testFlags struct {
	configFlags
	filter    []string
	directory string
	junit     string
	verbose   bool
}

func (a *app) testCommand() *cobra.Command {
	f := testFlags{directory: scenario.DefaultDirectory}
	cmd := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Run the tests of a configuration",
		Long: "Run the tests of a configuration: the run blocks of *.test.hcl in the directory and in its\n" +
			"directory tests. Sources are mocked, the state and all files are in memory, the time is what\n" +
			"the tests say. No program is started and no request is sent.",
		Args: atMost(1, "directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.test(cmd, &f, a.directory(args))
		},
	}
	flags := cmd.Flags()
	f.addJSON(flags, "what happens as lines of JSON, in the shape of Terraform's")
	f.addInputs(flags)
	flags.Var((*listFlag)(&f.filter), "filter", "`PATTERN` for names of files or of runs, as of a shell; may be repeated")
	flags.Var((*textFlag)(&f.directory), "test-directory", "`DIR` with further files of tests, relative to that of the configuration")
	flags.Var((*textFlag)(&f.junit), "junit-xml", "`FILE` to write the results to, as JUnit XML")
	flags.BoolVar(&f.verbose, "verbose", false, "show the plan of each run")
	return cmd
}

// listFlag is a text that may be given several times.
type listFlag []string

func (f *listFlag) String() string { return "" }
func (f *listFlag) Type() string   { return "string" }
func (f *listFlag) Set(value string) error {
	if value == "" {
		return errEmpty
	}
	*f = append(*f, value)
	return nil
}

func (a *app) test(cmd *cobra.Command, f *testFlags, dir string) error {
	var show func(scenario.Event)
	opts := scenario.Options{
		Engine: a.options(cmd, &f.configFlags, dir), Directory: f.directory, Filter: f.filter,
		Plans: f.verbose, Events: func(e scenario.Event) { show(e) },
	}
	stream := a.stream()
	if f.json {
		stream.Version(hclspec.Version)
	}
	suite, diags := scenario.Load(cmd.Context(), opts)
	src := a.sources(suite.Sources())
	if f.json {
		stream.Diagnostics(diags, src)
	}
	a.report(diags, suite.Sources())
	if diags.HasErrors() {
		return errFailed
	}
	text := view.NewSuiteText(a.Stdout, a.Stderr, a.style(a.Stdout), a.style(a.Stderr), src)
	show = text.Event
	if f.json {
		stream.Suite(suite)
		show = func(e scenario.Event) { stream.TestEvent(e, src) }
	}
	report := suite.Run(cmd.Context())
	if f.json {
		stream.TestSummary(report)
	} else {
		if len(report.Files) == 0 {
			fmt.Fprintf(a.Stdout, "There are no files *.test.hcl in %s or its directory %s.\n", dir, f.directory)
		}
		if err := text.Summary(report); err != nil {
			return errFailed
		}
	}
	return a.tested(f, report, src)
}

// tested writes the report for other tools and tells how it went.
func (a *app) tested(f *testFlags, report *scenario.Report, src view.Sources) error {
	if f.junit != "" {
		var b bytes.Buffer
		err := view.SuiteJUnit(&b, report, src)
		if err == nil {
			err = os.WriteFile(a.path(f.junit), b.Bytes(), 0o644)
		}
		if err != nil {
			diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot write the results", Detail: sentence(err.Error())}}
			if f.json {
				a.stream().Diagnostics(diags, src)
			}
			a.report(diags, nil)
			return errFailed
		}
	}
	if report.Count(scenario.Fail)+report.Count(scenario.Err)+report.Count(scenario.Skip) > 0 {
		return errFailed
	}
	return nil
}
