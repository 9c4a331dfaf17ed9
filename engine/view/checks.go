package view

import (
	"slices"
	"strings"

	"tidegate/engine"
	"tidegate/engine/plan"
)

// checkBlocks writes the check blocks that do not hold, and those that cannot be judged.
func (p *page) checkBlocks(checks []plan.Check) {
	var rows []*engine.CheckStatus
	for _, c := range checks {
		rows = append(rows, &engine.CheckStatus{Status: c.Status, Findings: append([]string{c.Address}, c.Findings...)})
	}
	if p.checkRows(rows) {
		p.blank()
	}
}

// checkRows writes checks whose first finding is their name.
func (p *page) checkRows(rows []*engine.CheckStatus) bool {
	some := false
	for _, c := range rows {
		word, color := checkWord(c.Status)
		if word == "" {
			continue
		}
		if !some {
			p.line(0, bold, "Checks, which stop nothing:")
			some = true
		}
		p.prose(2, color, Escape(c.Findings[0])+" "+word)
		for _, f := range c.Findings[1:] {
			p.prose(6, color, f)
		}
	}
	return some
}

// checkWord says what became of a check, "" where it holds.
func checkWord(status string) (word, color string) {
	switch status {
	case "pass":
		return "", ""
	case "unknown":
		return "cannot be judged", yellow
	}
	return "does not hold", yellow
}

// checkBlocks writes the same for a comment.
func (m *comment) checkBlocks(checks []plan.Check) string {
	var lines []string
	for _, c := range checks {
		if word, _ := checkWord(c.Status); word != "" {
			lines = append(lines, c.Address+" "+word)
			for _, f := range c.Findings {
				lines = append(lines, "  "+strings.ReplaceAll(Escape(f), "\n", " "))
			}
		}
	}
	if len(lines) == 0 {
		return ""
	}
	if m.limit > 0 {
		var cut bool
		if lines, cut = clip(lines, m.left/4); cut {
			m.shortened++
		}
	}
	text := fold("Checks, which stop nothing", fence("", lines), false)
	m.fits(text)
	return text
}

// checkBlock writes one check block in Terraform's shape.
func checkBlock(c plan.Check) *checkJSON {
	instance := &checkInstanceJSON{Address: checkInstanceAddressJSON{ToDisplay: c.Address}, Status: c.Status}
	for _, f := range c.Findings {
		instance.Problems = append(instance.Problems, checkProblemJSON{Message: f, Severity: c.Severity})
	}
	name := c.Address[strings.LastIndexByte(c.Address, '.')+1:]
	module := strings.TrimSuffix(strings.TrimSuffix(c.Address, "check."+name), ".")
	instance.Address.Module = module
	return &checkJSON{
		Address:   checkAddressJSON{ToDisplay: c.Address, Kind: "check", Module: module, Name: name},
		Status:    c.Status,
		Instances: []*checkInstanceJSON{instance},
	}
}

// daemonChecks writes the checks of a daemon that do not hold.
func (p *page) daemonChecks(st *engine.Status) {
	var rows []*engine.CheckStatus
	for _, c := range st.Checks {
		rows = append(rows, &engine.CheckStatus{Status: c.Status, Findings: append([]string{c.Address.String()}, c.Findings...)})
	}
	if !slices.ContainsFunc(rows, func(c *engine.CheckStatus) bool { return c.Status != "pass" }) {
		return
	}
	p.blank()
	p.checkRows(rows)
}
