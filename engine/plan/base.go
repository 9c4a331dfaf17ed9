package plan

import "tidegate/hclspec/address"

// Base is what a plan for a change is compared with: another revision of the configuration.
type Base struct {
	Ref     string        `json:"ref"`    // as it was asked for
	Commit  string        `json:"commit"` // its full name
	Dirty   bool          `json:"dirty,omitempty"`
	Changes []BlockChange `json:"changes,omitempty"` // in the order of their addresses
	Reach   []Reach       `json:"reach,omitempty"`   // of the changed blocks, in the same order
}

// Direction says whether a change to a rule or limit lets more pass, or less.
type Direction string

// The directions. Where nobody can tell it is Altered.
const (
	Altered   Direction = ""
	Loosened  Direction = "loosened"
	Tightened Direction = "tightened"
)

// BlockChange is one block of the configuration that is not what it was.
type BlockChange struct {
	Address   address.Address `json:"address"`
	Action    Action          `json:"action"` // Create, Update or Delete
	Direction Direction       `json:"direction,omitempty"`
	Details   []string        `json:"details,omitempty"` // "rate: 1 -> 2"
	// Others are further instances of the same declaration, of which the same is true.
	Others []address.Address `json:"others,omitempty"`
}

// Reach is what a changed block leads to: the sinks whose block depends on it, and where they
// deliver.
type Reach struct {
	Address address.Address   `json:"address"`
	Sinks   []address.Address `json:"sinks"`
	Targets []string          `json:"targets"`
}
