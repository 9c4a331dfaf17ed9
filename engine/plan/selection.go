package plan

import "tidegate/hclspec/address"

// Selection says that a plan is about a part of the configuration, and what it leaves out.
type Selection struct {
	Targets  []string `json:"targets,omitempty"`  // patterns as they were given
	Excludes []string `json:"excludes,omitempty"` // likewise
	// LeftOut are the sources and sinks that were not looked at and stay as they are, those of
	// the ledger that are no longer declared among them, in the order of their addresses.
	LeftOut []address.Address `json:"left_out,omitempty"`
}
