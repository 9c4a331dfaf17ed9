package engine

import (
	"fmt"
	"strings"

	"tidegate/engine/plan"
)

// refuseUnready takes a delivery back that is known to fail: a plan says so, and not only the
// apply. Where another sink delivers before this one, it may make what is missing (a program
// that makes a directory), and apply will see.
func (o *observer) refuseUnready(n *node, r *rendered, c *plan.SinkChange) {
	if r.unready == nil || !c.Action.Delivers() || o.compute.Prepares(r.DependsOn) {
		return
	}
	reason := strings.TrimSuffix(o.prog.redactor(r.Values).text(r.unready.Error()), ".")
	o.compute.Refuse(c, &plan.Wait{Kind: plan.RejectedByOwn, Reason: "it cannot be written: " + reason}, r.DependsOn)
	if !o.quiet {
		o.complain(n, "Sink cannot be written", fmt.Sprintf("%s: %s.", c.Address, reason))
	}
}
