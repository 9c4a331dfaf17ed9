package engine

import (
	"encoding/json"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// What was sent and not looked at waits in a document of the state, over restarts and reloads too.

// takeUpPushes goes on with the values that were sent and not yet looked at when the last daemon
// ended.
func (d *Daemon) takeUpPushes(docs []*state.Document) {
	for _, doc := range docs {
		a, err := address.Parse(doc.Name[len(pushPrefix):])
		if err != nil {
			continue
		}
		it := d.sources[a]
		value, err := decodePushed(doc)
		if it == nil {
			if err == nil {
				d.unclaimed[a] = value
			}
			continue
		}
		if err != nil {
			d.opts.logger().Error("a value that was sent cannot be read and is lost: it has to be sent again; what was accepted before stays in use",
				"address", a.String(), "error", err.Error())
			it.has().lostPush = "a value that was sent cannot be read and is lost: send it again; what was accepted before stays in use"
			continue
		}
		it.pushed, it.sent = value, value
		d.sealWaiting(it)
		d.ask(it)
	}
	d.forgetPushes()
}

// forgetPushes forgets what was sent to sources that nothing declares. One of a block or a module
// whose instances follow data may be declared once these are known.
func (d *Daemon) forgetPushes() {
	for _, a := range sortedKeys(d.unclaimed) {
		if d.engine.prog.mayCome(a) {
			continue
		}
		delete(d.unclaimed, a)
		d.record(&state.Batch{DeleteDocuments: []string{pushDocument(a)}})
	}
}

// sealWaiting has a value that waits encrypted from now on, where its source has become sensitive
// since it was sent.
func (d *Daemon) sealWaiting(it *sourceItem) {
	s, ok := settingsOf(it.node)
	if !ok || !s.Sensitive || it.pushed == nil || it.pushed != it.sent {
		return
	}
	data, err := json.Marshal(it.pushed)
	if err != nil {
		return // it was read from the same text
	}
	d.record(&state.Batch{Documents: []*state.Document{{Name: pushDocument(it.addr()), Data: data, Sealed: true}}})
}
