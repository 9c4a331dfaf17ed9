# A guard as conftest runs it over `terraform show -json`: nothing may be deleted or forgotten, and
# what is protected may not be touched at all.
package main

protected_paths := {"/etc/tidegate-protected"}

deny contains msg if {
	some change in input.resource_changes
	change.mode == "managed"
	some action in change.change.actions
	action in {"delete", "forget"}
	msg := sprintf("%s would be lost (%s)", [change.address, action])
}

deny contains msg if {
	some change in input.resource_changes
	change.change.actions != ["no-op"]
	change.change.after.path in protected_paths
	msg := sprintf("%s writes %s, which is protected", [change.address, change.change.after.path])
}

deny contains msg if {
	input.errored
	msg := "the plan has errors"
}
