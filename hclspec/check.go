package hclspec

import (
	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec/typo"
)

// A Check is a block of assertions that only warn.
type Check struct {
	Name     string
	Asserts  []Condition
	DefRange hcl.Range
}

var checkSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "assert"}}}

func declareCheck(b *hcl.Block) declaration {
	c := &Check{Name: b.Labels[0], DefRange: headerRange(b)}
	names := validNames(b)
	content, diags := typo.Content(b.Body, checkSchema)
	for _, d := range diags {
		if d.Summary == "Unsupported block type" {
			d.Detail = "A check holds assert blocks, and no others. The block of a rule is called assertion."
		}
	}
	for _, inner := range content.Blocks {
		cond, condDiags := decodeCondition(inner)
		diags = append(diags, condDiags...)
		if cond != nil {
			c.Asserts = append(c.Asserts, *cond)
		}
	}
	if len(content.Blocks) == 0 && !diags.HasErrors() {
		diags = append(diags, errorAt(c.DefRange, "Missing assert block", "A check holds at least one assert block with a condition and an error_message."))
	}
	return declared(c, names, diags)
}
