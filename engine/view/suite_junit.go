package view

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/scenario"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	Time      string        `xml:"time,attr"`
	Failure   *junitProblem `xml:"failure"`
	Error     *junitProblem `xml:"error"`
	Skipped   *junitProblem `xml:"skipped"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// SuiteJUnit writes a report as JUnit XML: a suite for each file, a case for each run.
func SuiteJUnit(w io.Writer, r *scenario.Report, src Sources) error {
	out := junitSuites{}
	for _, f := range r.Files {
		suite := junitSuite{Name: Escape(f.File.Name), Tests: len(f.Runs), Time: seconds(f.Elapsed)}
		for _, run := range f.Runs {
			c := junitCase{Name: Escape(run.Run.Name), ClassName: suite.Name, Time: seconds(run.Elapsed)}
			switch run.Status {
			case scenario.Fail:
				suite.Failures++
				c.Failure = junitProblemOf(run.Diagnostics, src)
			case scenario.Err:
				suite.Errors++
				c.Error = junitProblemOf(run.Diagnostics, src)
			case scenario.Skip:
				suite.Skipped++
				c.Skipped = &junitProblem{Message: "interrupted"}
			}
			suite.Cases = append(suite.Cases, c)
		}
		out.Suites = append(out.Suites, suite)
	}
	data, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, data)
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }

// junitProblemOf has the first line as its message, and all in full as its text.
func junitProblemOf(diags hcl.Diagnostics, src Sources) *junitProblem {
	out := &junitProblem{}
	sorted := SortDiagnostics(diags)
	if len(sorted) > 0 {
		out.Message = Escape(brief(sorted[0], src))
	}
	var b strings.Builder
	_ = Diagnostics(&b, sorted, src, Style{})
	out.Text = "\n" + b.String()
	return out
}
