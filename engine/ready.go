package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
)

// refuseUnready takes a delivery back that is known to fail: a plan says so, and not only the
// apply. Where another sink delivers before this one, it may make what is missing (a program
// that makes a directory), and apply will see.
//
// What another user or mount may do is judged only by who applies: planning is for everybody.
func (o *observer) refuseUnready(n *node, r *rendered, c *plan.SinkChange) {
	if r.unready == nil || !c.Action.Delivers() || o.compute.Prepares(r.DependsOn) {
		return
	}
	if o.quiet {
		return
	}
	reason := strings.TrimSuffix(o.redactorOf(n, r.Values).text(r.unready.Error()), ".")
	if o.engine.store == nil && (errors.Is(r.unready, fs.ErrPermission) || errors.Is(r.unready, syscall.EROFS)) {
		// Whoever only plans may be another user, and see the disk by another mount.
		o.diags = append(o.diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "Sink cannot be written from here", Subject: n.rng().Ptr(),
			Detail: fmt.Sprintf("%s: %s. An apply as this user would not deliver it.", c.Address, reason),
		})
		return
	}
	o.compute.Refuse(c, &plan.Wait{Kind: plan.RejectedByOwn, Reason: "it cannot be written: " + reason}, r.DependsOn)
	o.complain(n, "Sink cannot be written", fmt.Sprintf("%s: %s.", c.Address, reason))
}
