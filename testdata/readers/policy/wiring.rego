# How the configuration is wired, from what Terraform's plans call configuration.
package wiring

import rego.v1

resources contains r if some r in input.configuration.root_module.resources

# Sinks that deliver what no source brought.
literal contains r.address if {
	some r in resources
	r.mode == "managed"
	not from_source(r)
}

from_source(r) if {
	some expression in r.expressions
	some reference in expression.references
	startswith(reference, "source.")
}

# Sources that no rule judges.
unjudged contains r.address if {
	some r in resources
	r.mode == "data"
	not r.expressions.rules
}
