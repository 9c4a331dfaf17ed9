package view

import (
	"bytes"
	"fmt"

	"tidegate/engine/scenario"
)

// Suite writes what is about to be run, in the shape of `terraform test -json`.
func (s *Stream) Suite(suite *scenario.Suite) {
	files, runs := fields{}, 0
	for _, f := range suite.Files {
		names := []string{}
		for _, r := range f.Runs {
			if suite.Selected(r) {
				names = append(names, r.Name)
			}
		}
		files[f.Name] = names
		runs += len(names)
	}
	s.line("info", "test_abstract", fmt.Sprintf("Found %s and %s", count(len(files), "file"), count(runs, "run block")), fields{"test_abstract": files})
}

// TestEvent writes one event of a suite: test_file, test_run, and a diagnostic for each thing
// that is wrong with a run.
func (s *Stream) TestEvent(e scenario.Event, src Sources) {
	switch e := e.(type) {
	case scenario.FileStarted:
		s.line("info", "test_file", e.File.Name+"... in progress", fields{
			"@testfile": e.File.Name, "test_file": fields{"path": e.File.Name, "progress": "starting"},
		})
	case scenario.RunFinished:
		s.testRun(e.Result, src)
	case scenario.FileFinished:
		name := e.Result.File.Name
		s.line("info", "test_file", fmt.Sprintf("%s... %s", name, e.Result.Status), fields{
			"@testfile": name, "test_file": fields{"path": name, "progress": "complete", "status": string(e.Result.Status)},
		})
	}
}

func (s *Stream) testRun(r *scenario.RunResult, src Sources) {
	place := func(more fields) fields {
		more["@testfile"], more["@testrun"] = r.File.Name, r.Run.Name
		return more
	}
	s.line("info", "test_run", fmt.Sprintf("  run %q... %s", r.Run.Name, r.Status), place(fields{"test_run": fields{
		"path": r.File.Name, "run": r.Run.Name, "progress": "complete", "status": string(r.Status), "elapsed": r.Elapsed.Milliseconds(),
	}}))
	if r.Plan != nil {
		var b bytes.Buffer
		if err := PlanJSON(&b, r.Plan, nil, src); err == nil {
			s.line("info", "test_plan", "-verbose flag enabled, printing plan", place(fields{"test_plan": rawJSON(b.Bytes())}))
		}
	}
	for _, d := range SortDiagnostics(r.Diagnostics) {
		s.line("error", "diagnostic", "Error: "+d.Summary, place(fields{"diagnostic": diagnosticOf(d, src)}))
	}
}

// TestSummary writes the last line of a suite.
func (s *Stream) TestSummary(r *scenario.Report) {
	head := "Success! "
	if suiteStatus(r) != scenario.Pass {
		head = "Failure! "
	}
	s.line("info", "test_summary", head+suiteCounts(r), fields{"test_summary": fields{
		"status": string(suiteStatus(r)), "passed": r.Count(scenario.Pass), "failed": r.Count(scenario.Fail),
		"errored": r.Count(scenario.Err), "skipped": r.Count(scenario.Skip),
	}})
}
