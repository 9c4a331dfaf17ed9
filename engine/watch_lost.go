package engine

import (
	"time"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// Content of the state can be lost or damaged while a daemon runs. Nothing that runs is touched
// for it: what needs the content waits, and it is had again from where it came. A source is
// fetched without a validator, a sink is rendered.

// lostContent lets the sources that stand on content which a commit found to be missing have it
// again.
func (d *Daemon) lostContent(hash string) {
	for _, a := range sortedKeys(d.sources) {
		if c := d.ledger.Sources[a].Current(); c != nil && c.Blob == hash {
			d.haveAgain(d.sources[a])
		}
	}
}

// haveAgain looks at a source whose accepted bytes the state has lost: the origin may still have
// them, though it says that nothing changed. It says so once, until they are there again.
func (d *Daemon) haveAgain(it *sourceItem) {
	if it.lost {
		return
	}
	it.lost = true
	d.opts.logger().Error("the state has lost the accepted content of a source: it is fetched again, or has to be sent again where it is pushed",
		"address", it.addr().String())
	d.ask(it)
}

// restoreSource stores again what a look brought of lost content, and lets go on what waits for it.
func (d *Daemon) restoreSource(it *sourceItem, l *look) {
	if l.lostSent {
		it.has().lostPush = errLostPush.Error()
	}
	current := d.ledger.Sources[it.addr()].Current()
	if l.healed == nil || current == nil {
		return
	}
	it.lost, it.has().restored, it.has().lostPush = false, time.Now(), ""
	d.record(&state.Batch{Restored: []state.Blob{{Hash: current.Blob, Data: l.healed, Sealed: current.Sealed}}})
	d.opts.logger().Info("the lost content of a source is there again", "address", it.addr().String())
	d.wakeUsers(it.addr(), causeInput)
}

// restorePayload stores the block again that a sink's target was last written from, where it was
// lost and the same is delivered.
func (d *Daemon) restorePayload(a address.Address, x *decision) {
	row := d.ledger.Sinks[a]
	if !x.r.lost || row == nil || row.Acknowledged == nil {
		return
	}
	for _, blob := range x.change.Blobs {
		if blob.Hash == row.Acknowledged.Payload {
			d.record(&state.Batch{Restored: []state.Blob{blob}})
		}
	}
}
