package view

import "tidegate/engine/plan"

// verbs are the words for an action: of a plan, of its start and of its end.
type verbs struct{ future, present, past string }

// verbsOf knows that programs run and requests are sent.
func verbsOf(kind string, a plan.Action) verbs {
	switch {
	case kind == "exec" && (a == plan.Create || a == plan.Update):
		return verbs{"will run", "running", "ran"}
	case kind == "http" && (a == plan.Create || a == plan.Update):
		return verbs{"will be sent", "sending to", "sent"}
	}
	switch a {
	case plan.Create:
		return verbs{"will be created", "creating", "created"}
	case plan.Update:
		return verbs{"will be updated", "updating", "updated"}
	case plan.Delete:
		return verbs{"will be deleted", "deleting", "deleted"}
	case plan.Forget:
		return verbs{"will be forgotten", "forgetting", "forgotten"}
	case plan.Adopt:
		return verbs{"will be adopted", "adopting", "adopted"}
	}
	return verbs{"is unchanged", "looking at", "looked at"}
}
