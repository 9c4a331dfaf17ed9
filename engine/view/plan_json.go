package view

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// planFormat is the version of Terraform's plan JSON whose shape is written.
const planFormat = "1.2"

// provider stands where Terraform names the provider.
const provider = "tidegate"

type planJSON struct {
	FormatVersion   string                  `json:"format_version"`
	TidegateVersion string                  `json:"tidegate_version,omitempty"`
	Variables       map[string]variableJSON `json:"variables,omitempty"`
	PlannedValues   stateValuesJSON         `json:"planned_values"`
	PriorState      *stateJSON              `json:"prior_state"`
	ResourceDrift   []*resourceJSON         `json:"resource_drift,omitempty"`
	ResourceChanges []*resourceJSON         `json:"resource_changes"`
	DeferredChanges []deferredJSON          `json:"deferred_changes,omitempty"`
	OutputChanges   map[string]*changeJSON  `json:"output_changes"`
	Checks          []*checkJSON            `json:"checks,omitempty"`
	Configuration   *plan.Declared          `json:"configuration,omitempty"`
	Timestamp       string                  `json:"timestamp"`
	Applyable       bool                    `json:"applyable"`
	Complete        bool                    `json:"complete"`
	Errored         bool                    `json:"errored"`
	Selection       *selectionJSON          `json:"selection,omitempty"`
	Base            *plan.Base              `json:"base,omitempty"` // what a plan for a change is compared with
	Diagnostics     []diagnosticJSON        `json:"diagnostics,omitempty"`
}

// variableJSON is Terraform's variable. It has no field that says why there is no value, and
// a text in place of one would be taken for it: a sensitive one has none, and says so beside.
type variableJSON struct {
	Value     json.RawMessage `json:"value,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

func planVariables(p *plan.Plan) (map[string]variableJSON, error) {
	out := make(map[string]variableJSON, len(p.Variables))
	for name, v := range p.Variables {
		if v.IsAbsent() || mark.Has(v.Value) {
			out[name] = variableJSON{Sensitive: true}
			continue
		}
		data, err := marshal(v.Plain())
		if err != nil {
			return nil, err
		}
		out[name] = variableJSON{Value: data}
	}
	return out, nil
}

type resourceJSON struct {
	Address       string      `json:"address"`
	MovedFrom     string      `json:"previous_address,omitempty"`
	ModuleAddress string      `json:"module_address,omitempty"`
	Mode          string      `json:"mode"`
	Type          string      `json:"type"`
	Name          string      `json:"name"`
	Index         any         `json:"index,omitempty"`
	ProviderName  string      `json:"provider_name"`
	Change        *changeJSON `json:"change"`
	ActionReason  string      `json:"action_reason,omitempty"`

	// What Terraform has no field for; its readers pass over these.
	Target   string   `json:"target,omitempty"`
	Version  string   `json:"version,omitempty"`
	Previous string   `json:"previous_version,omitempty"`
	Standing string   `json:"standing,omitempty"`
	Problem  string   `json:"problem,omitempty"`
	Reasons  []string `json:"reasons,omitempty"`
	Adopt    bool     `json:"adopt,omitempty"`
	Repair   bool     `json:"repair,omitempty"`
	Filled   bool     `json:"filled_at_delivery,omitempty"`
	Diff     string   `json:"diff,omitempty"`

	// Keys is the same as Diff key by key, where the content is JSON, YAML or TOML. Without
	// changes only the order or the layout is another one.
	Keys *keysJSON `json:"diff_by_key,omitempty"`
}

type keysJSON struct {
	Changes []keyChangeJSON `json:"changes"`
}

type keyChangeJSON struct {
	Path   string `json:"path"`
	Action string `json:"action"` // add, change, remove
	Before any    `json:"before"`
	After  any    `json:"after"`
}

func keyDiffJSON(k *plan.KeyDiff) *keysJSON {
	if k == nil {
		return nil
	}
	out := &keysJSON{Changes: []keyChangeJSON{}}
	for _, c := range k.Changes {
		out.Changes = append(out.Changes, keyChangeJSON{c.Path, c.Action, c.Before.Plain(), c.After.Plain()})
	}
	return out
}

type changeJSON struct {
	Actions         []string `json:"actions"`
	Before          any      `json:"before"`
	After           any      `json:"after"`
	AfterUnknown    any      `json:"after_unknown"`
	BeforeSensitive any      `json:"before_sensitive"`
	AfterSensitive  any      `json:"after_sensitive"`
}

type deferredJSON struct {
	Reason         string        `json:"reason"`
	ResourceChange *resourceJSON `json:"resource_change"`
	Kind           string        `json:"kind"` // deferred, blocked, rejected
	On             string        `json:"on,omitempty"`
	Until          string        `json:"until,omitempty"`
}

// PlanJSON writes a plan as one document in the shape of Terraform's plan JSON. Unlike
// there, sensitive values are null in it; before_sensitive and after_sensitive say where.
func PlanJSON(w io.Writer, p *plan.Plan, diags hcl.Diagnostics, src Sources) error {
	out := planJSON{
		FormatVersion: planFormat, TidegateVersion: p.ToolVersion,
		ResourceChanges: []*resourceJSON{}, OutputChanges: map[string]*changeJSON{},
		Timestamp: p.Time.UTC().Format(time.RFC3339), Applyable: p.Acts(),
		Errored: p.Outcome() == plan.Errored, Checks: planChecks(p),
		Diagnostics: diagnosticsJSON(diags, src), Selection: selectionOf(p.Selection), Base: p.Base,
		Configuration: p.Declared,
	}
	for _, c := range p.Sources {
		out.source(c)
	}
	for _, c := range p.Sinks {
		out.sink(c)
	}
	previous := make(map[string]string, len(p.Moves))
	for _, m := range p.Moves {
		previous[m.To.String()] = m.From.String()
	}
	for _, r := range out.ResourceChanges {
		r.MovedFrom = previous[r.Address]
	}
	for _, o := range p.Outputs {
		out.OutputChanges[o.Name] = outputChangeJSON(o)
	}
	var err error
	if out.Variables, err = planVariables(p); err != nil {
		return err
	}
	out.PlannedValues, out.PriorState = plannedValues(p), priorState(p)
	out.Complete = complete(p)
	return writeJSON(w, out)
}

// complete reports whether nothing is left for later when the plan has been applied.
func complete(p *plan.Plan) bool {
	waits := slices.ContainsFunc(p.Sources, sourceWaits) || slices.ContainsFunc(p.Sinks, func(c *plan.SinkChange) bool { return c.Wait != nil })
	return !waits && !p.Incomplete && p.Selection == nil
}

// sourceWaits reports whether a value of the source is still to come.
func sourceWaits(c *plan.SourceChange) bool {
	return sourceMark(c) == waiting && (c.Problem != plan.Waiting || c.Standing == plan.Nothing)
}

func (out *planJSON) source(c *plan.SourceChange) {
	actions := []string{string(plan.NoOp)}
	if c.Action == plan.Read || c.Problem == plan.Limited {
		actions[0] = string(plan.Read)
	}
	r := resource(c.Address, "data", c.Kind, valueChange(actions, c.Before, c.After))
	r.Target, r.Version, r.Previous = c.Identity, c.Version, c.PreviousVersion
	r.Standing, r.Problem = string(c.Standing), string(c.Problem)
	if c.Reason != "" {
		r.Reasons = []string{c.Reason}
	}
	out.ResourceChanges = append(out.ResourceChanges, r)
	if sourceWaits(c) {
		out.DeferredChanges = append(out.DeferredChanges, deferredJSON{
			Reason: c.Reason, ResourceChange: r, Kind: string(c.Problem), Until: until(c.Until),
		})
	}
}

func (out *planJSON) sink(c *plan.SinkChange) {
	r := resource(c.Address, "managed", c.Kind, valueChange(sinkActions(c), c.Before, sinkAfter(c)))
	r.Target, r.Reasons = c.Target, c.Reasons
	r.Adopt, r.Repair, r.Filled = c.Action == plan.Adopt, c.Repair, c.FilledLater
	if c.Lines != nil && !c.Sensitive {
		r.Diff, r.Keys = c.Lines.Unified("before", "after"), keyDiffJSON(c.Keys)
	}
	if c.Action == plan.Delete || c.Action == plan.Forget {
		r.ActionReason = "delete_because_no_resource_config"
	}
	out.ResourceChanges = append(out.ResourceChanges, r)
	if c.Wait != nil {
		out.DeferredChanges = append(out.DeferredChanges, deferredJSON{
			Reason: c.Wait.Reason, ResourceChange: r, Kind: string(c.Wait.Kind), On: c.Wait.On, Until: until(c.Wait.Until),
		})
	}
	if c.Drift != nil && c.Drift.Policy != "ignore" {
		out.ResourceDrift = append(out.ResourceDrift, driftJSON(c))
	}
}

// sinkActions returns what is done, or what waits to be done.
func sinkActions(c *plan.SinkChange) []string {
	action := c.Action
	if action == plan.NoOp && c.Wait != nil {
		action = c.Wanted
	}
	if action == plan.Adopt {
		action = plan.NoOp
	}
	return []string{string(action)}
}

func sinkAfter(c *plan.SinkChange) plan.Value {
	if c.Action == plan.Delete || c.Action == plan.Forget {
		return plan.Value{}
	}
	return c.Shown()
}

// driftJSON describes what somebody else did as Terraform does: from what was delivered to
// what is there. Of the content only the diff is known.
func driftJSON(c *plan.SinkChange) *resourceJSON {
	change := valueChange([]string{string(plan.Update)}, c.Before, c.Before)
	if c.Drift.Missing {
		change = valueChange([]string{string(plan.Delete)}, c.Before, plan.Value{})
	}
	r := resource(c.Address, "managed", c.Kind, change)
	r.Target, r.Reasons = c.Target, c.Drift.Differs
	if c.Drift.Missing {
		return r
	}
	changed := len(c.Drift.Lines.Hunks) > 0 || c.Drift.Lines.Binary || c.Drift.Lines.Truncated != ""
	if after, ok := change.After.(map[string]any); ok && (changed || c.Sensitive) {
		for _, name := range contentNames {
			if _, has := after[name]; has {
				after[name] = nil
				change.AfterUnknown = map[string]any{name: true}
			}
		}
	}
	if !c.Sensitive {
		r.Diff, r.Keys = diffText(&c.Drift.Lines, "delivered", "found"), keyDiffJSON(c.Drift.Keys)
	}
	return r
}

func diffText(l *diff.Lines, before, after string) string { return l.Unified(before, after) }

func resource(a address.Address, mode, kind string, change *changeJSON) *resourceJSON {
	return &resourceJSON{
		Address: a.String(), ModuleAddress: string(a.Module), Mode: mode, Type: kind, Name: a.Name,
		Index: index(a.Key), ProviderName: provider, Change: change,
	}
}

func index(k address.Key) any {
	if n, ok := k.Int(); ok {
		return n
	}
	if s, ok := k.Str(); ok {
		return s
	}
	return nil
}

func valueChange(actions []string, before, after plan.Value) *changeJSON {
	return &changeJSON{
		Actions: actions, Before: before.Plain(), After: after.Plain(),
		AfterUnknown: after.Unknown(), BeforeSensitive: before.Sensitive(), AfterSensitive: after.Sensitive(),
	}
}

// outputChangeJSON says of an output as a whole what is unknown and sensitive, as Terraform does.
func outputChangeJSON(o *plan.OutputChange) *changeJSON {
	c := &changeJSON{
		Actions: []string{string(o.Action)}, Before: o.Before.Plain(), AfterUnknown: !o.Known,
		BeforeSensitive: o.Hidden(), AfterSensitive: o.Hidden(),
	}
	if o.Known && o.Action != plan.Delete {
		c.After = o.Value.Plain()
	}
	if o.Hidden() {
		c.Before, c.After = nil, nil
	}
	return c
}

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
