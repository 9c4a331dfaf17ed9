package plan

// Outcome is what a plan comes to. The exit code, the last words of each rendering and what the
// JSON says of errors follow from it and from nothing else, so that they cannot contradict.
type Outcome int

// The outcomes. Errored beats Changes, which beats InStep.
const (
	InStep  Outcome = iota // there is nothing to do, now or later
	Changes                // there is something to do, or to wait for, or drift that is warned about
	Errored                // something failed, was rejected or could not be looked at
)

// Outcome tells what the plan comes to.
func (p *Plan) Outcome() Outcome {
	switch {
	case p.Failed():
		return Errored
	case p.HasChanges():
		return Changes
	}
	return InStep
}

// ExitCode is the exit code of a command that shows the plan: 1 for errors and, if detailed, 2
// for changes.
func (o Outcome) ExitCode(detailed bool) int {
	switch {
	case o == Errored:
		return 1
	case o == Changes && detailed:
		return 2
	}
	return 0
}

// Warnings counts what rules of severity "warning" found.
func (p *Plan) Warnings() int {
	n := 0
	count := func(checks []Check) {
		for _, c := range checks {
			if c.Severity == "warning" && c.Status != "pass" {
				n += max(len(c.Findings), 1)
			}
		}
	}
	for _, c := range p.Sources {
		count(c.Checks)
	}
	for _, c := range p.Sinks {
		count(c.Checks)
	}
	return n
}
