package engine

import (
	"maps"
	"reflect"

	"tidegate/hclspec/address"
	"tidegate/providers"
)

// publishReceivers tells the listener which names are taken in: what the configuration says, and
// what the newest looks found of sources whose blocks come out of data.
func (d *Daemon) publishReceivers() {
	d.declared = d.engine.receivers()
	for a := range d.learned {
		if it := d.sources[a]; it == nil || it.node.static != nil {
			delete(d.learned, a)
		}
	}
	d.publishLearned()
}

func (d *Daemon) publishLearned() {
	clashes := d.clashes
	d.clashes = map[address.Address]string{}
	if len(d.learned) == 0 {
		d.receivers.Store(d.declared)
		return
	}
	out := &Receivers{Sources: maps.Clone(d.declared.Sources), Wildcard: d.declared.Wildcard, Detectors: d.declared.Detectors}
	for name, r := range out.Sources {
		if _, newer := d.learned[r.Address]; newer {
			delete(out.Sources, name)
		}
	}
	if out.Wildcard != nil {
		if _, newer := d.learned[out.Wildcard.Address]; newer {
			out.Wildcard = nil
		}
	}
	for _, a := range sortedKeys(d.learned) {
		r := d.learned[a]
		if r == nil {
			continue // it takes nothing in at present
		}
		if other := out.of(r.Name); other != nil && other.Address != a {
			if d.clashes[a] = r.Name + " " + other.Address.String(); clashes[a] != d.clashes[a] {
				d.opts.logger().Error("a name is taken already: nothing is taken in under it for this source", "address", a.String(), "config_name", r.Name, "taken_by", other.Address.String())
			}
			continue
		}
		out.add(r)
	}
	d.receivers.Store(out)
}

// of returns who takes a name by itself.
func (r *Receivers) of(name string) *Receiver {
	if name == providers.AllNames {
		return r.Wildcard
	}
	return r.Sources[name]
}

func (r *Receivers) add(one *Receiver) {
	if one.Name == providers.AllNames {
		r.Wildcard = one
	} else {
		r.Sources[one.Name] = one
	}
}

// learnReceiver takes over what a look found of how values are sent to a source whose block comes
// out of data: a name, or a secret, that is not said any more opens nothing from now on.
func (d *Daemon) learnReceiver(it *sourceItem, l *look) {
	var found *Receiver
	if d.opts.contain(it.addr(), func() {
		if push, takes := pushOf(it.node, l.source, l.settings); takes {
			found = receiverOf(it.addr(), push)
		}
	}) != nil {
		return // the look has failed for the same reason
	}
	before, known := d.learned[it.addr()]
	if known && reflect.DeepEqual(before, found) || !known && found == nil {
		return
	}
	d.learned[it.addr()] = found
	d.publishLearned()
}

func receiverOf(a address.Address, push providers.Push) *Receiver {
	return &Receiver{Name: push.ConfigName, Address: a, Secrets: push.Secrets, Token: push.BearerToken}
}

// receivers are what a configuration takes in, as far as that depends on no data.
func (e *Engine) receivers() *Receivers {
	out := &Receivers{Sources: map[string]*Receiver{}, Detectors: map[string]*Receiver{}}
	for _, n := range e.prog.sorted {
		push, takes := e.prog.declaredPush(n)
		switch {
		case !takes:
		case n.addr.Type == address.Source:
			out.add(receiverOf(n.addr, push))
		case out.Detectors[n.addr.Name] == nil:
			out.Detectors[n.addr.Name] = &Receiver{Name: n.addr.Name, Address: n.addr, Secrets: push.Secrets, Token: push.BearerToken}
		}
	}
	return out
}

// Receivers returns what the running configuration takes in.
func (d *Daemon) Receivers() *Receivers {
	if r := d.receivers.Load(); r != nil {
		return r
	}
	return &Receivers{}
}
