# The policy of Open Policy Agent's tutorial on Terraform, with the kinds of Tidegate as types:
# a score says how much of the world a plan touches, and an automatic apply may touch so much.
package terraform.analysis

import input as tfplan

# Acceptable score for automated authorization.
blast_radius := 30

# Weights assigned for each operation on each resource type.
weights := {
	"file": {"delete": 20, "create": 1, "modify": 2},
	"exec": {"delete": 10, "create": 5, "modify": 5},
	"http": {"delete": 10, "create": 5, "modify": 5},
}

# Consider exactly these resource types in calculations.
resource_types := {"file", "exec", "http"}

# Authorization holds if score for the plan is acceptable and no program is run for the first time.
default authz := false

authz if {
	score < blast_radius
	not touches_exec
}

# Compute the score for a Terraform plan as the weighted sum of deletions, creations, modifications.
score := s if {
	all := [x |
		some resource_type, crud in weights
		del := crud["delete"] * num_deletes[resource_type]
		new := crud["create"] * num_creates[resource_type]
		mod := crud["modify"] * num_modifies[resource_type]
		x := (del + new) + mod
	]
	s := sum(all)
}

# Whether there is any new program.
touches_exec if {
	all := resources["exec"]
	count(all) > 0
	some change in all
	"create" in change.change.actions
}

# List of all resources of a given type.
resources[resource_type] := all if {
	some resource_type in resource_types
	all := [name |
		some name in tfplan.resource_changes
		name.mode == "managed"
		name.type == resource_type
	]
}

# Number of creations of resources of a given type.
num_creates[resource_type] := num if {
	some resource_type in resource_types
	creates := [res | some res in resources[resource_type]; "create" in res.change.actions]
	num := count(creates)
}

# Number of deletions of resources of a given type.
num_deletes[resource_type] := num if {
	some resource_type in resource_types
	deletions := [res | some res in resources[resource_type]; "delete" in res.change.actions]
	num := count(deletions)
}

# Number of modifications to resources of a given type.
num_modifies[resource_type] := num if {
	some resource_type in resource_types
	modifies := [res | some res in resources[resource_type]; "update" in res.change.actions]
	num := count(modifies)
}
