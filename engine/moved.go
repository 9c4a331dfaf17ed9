package engine

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"tidegate/engine/plan"
	"tidegate/hclspec"
)

// movedFiles compares what the configuration is read from with what it was when the plan was made.
func movedFiles(s *plan.Saved) []string {
	disk := hclspec.FunctionOptions{ModuleDir: s.Plan.Dir, ReadPaths: s.ReadPaths}
	shown := func(path string) string {
		if rel, err := filepath.Rel(s.Plan.Dir, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
		return path
	}
	var out []string
	known, modules := map[hclspec.Read]bool{}, map[string]bool{}
	for _, f := range s.Files {
		r := hclspec.Read{Kind: hclspec.ReadKind(f.Kind), Path: f.Path, Pattern: f.Pattern}
		known[r] = true
		if r.Kind == hclspec.ReadConfig {
			modules[filepath.Dir(r.Path)] = true
		}
		now := foundIn(disk.Again(r)).text()
		switch {
		case now == f.Hash:
		case r.Kind == hclspec.ReadSet:
			out = append(out, fmt.Sprintf("%s holds other files that match %s", shown(f.Path), f.Pattern))
		case now == "":
			out = append(out, shown(f.Path)+" is gone, or cannot be read")
		case f.Hash == "":
			out = append(out, shown(f.Path)+" is new")
		default:
			out = append(out, shown(f.Path)+" was edited")
		}
	}
	modules[s.Plan.Dir] = true
	for _, dir := range slices.Sorted(maps.Keys(modules)) {
		for _, r := range hclspec.ReadsOf(dir) {
			if !known[r] && (dir == s.Plan.Dir || r.Kind == hclspec.ReadConfig) {
				out = append(out, shown(r.Path)+" is new")
			}
		}
	}
	return out
}

// movedPushes finds values that were sent to a source after the plan was made, which would
// supersede the one that it accepts.
func (e *Engine) movedPushes(ctx context.Context, p *plan.Plan) ([]string, error) {
	var out []string
	for _, c := range p.Sources {
		if !c.Pushed || c.Action != plan.Read {
			continue
		}
		docs, err := e.store.Documents(ctx, pushDocument(c.Address))
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			if doc.Name != pushDocument(c.Address) {
				continue
			}
			v, err := decodePushed(doc)
			if err != nil {
				return nil, err
			}
			if v.At.After(p.Time) {
				out = append(out, fmt.Sprintf("%s was sent another value", c.Address))
			}
		}
	}
	return out, nil
}

// movedTargets reads every target that is about to be written and compares it with what it
// held. Programs and servers cannot be asked.
func (e *Engine) movedTargets(ctx context.Context, p *plan.Plan) []string {
	k := e.newCourier(newRedactor(nil, p))
	var out []string
	for _, c := range p.Sinks {
		if !c.Action.Delivers() && c.Action != plan.Adopt || c.Delivery == nil {
			continue
		}
		var what string
		var err error
		if broken := e.opts.contain(c.Address, func() { what, err = k.seen(ctx, c) }); broken != nil {
			err = broken
		}
		switch {
		case err != nil:
			out = append(out, fmt.Sprintf("%s cannot be read: %s", c.Target, k.redact.text(err.Error())))
		case what != "":
			out = append(out, fmt.Sprintf("%s %s (%s)", c.Target, what, c.Address))
		}
	}
	return out
}

// seen says in what a target is not as the plan saw it, "" for nothing.
func (k *courier) seen(ctx context.Context, c *plan.SinkChange) (string, error) {
	sink, err := k.sink(c)
	if err != nil {
		return "", err
	}
	held, err := sink.Read(ctx)
	switch {
	case err != nil:
		return "", err
	case held.Opaque:
		return "", nil
	case !held.Exists && (c.ObservedHash != "" || c.Action == plan.Adopt):
		return "was removed", nil
	case held.Exists && !k.expected(c, held):
		return "was changed by somebody else", nil
	}
	return "", nil
}
