# A policy over the planned values, which it finds wherever they stand, also in modules.
package terraform.modes

world_writable contains resource.address if {
	some path, value
	walk(input.planned_values, [path, value])
	path[count(path) - 2] == "resources"
	resource := value
	resource.type == "file"
	regex.match(`[2367]$`, resource.values.mode)
}

# Nothing sensitive stands in the document in clear: where the plan says that an attribute is
# sensitive, there is no value.
clear contains change.address if {
	some change in input.resource_changes
	some name, yes in change.change.after_sensitive
	yes == true
	change.change.after[name] != null
}

# A value of a source that was not accepted before, by which sinks change.
new_values contains change.address if {
	some change in input.resource_changes
	change.mode == "data"
	change.change.actions == ["read"]
}
