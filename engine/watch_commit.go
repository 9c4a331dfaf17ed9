package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// transaction gathers what is to be written in one commit. Of each row it holds the newest,
// so that it does not grow while the state cannot be written.
type transaction struct {
	since         time.Time
	sources       map[address.Address]*state.Source
	sinks         map[address.Address]*state.Sink
	deleteSources map[address.Address]bool
	deleteSinks   map[address.Address]bool
	outputs       map[address.Address]*state.Output
	deleteOutputs map[address.Address]bool
	shared        map[string]state.Counter
	documents     map[string]*state.Document // nil to delete one
	blobs         map[string]state.Blob
	restored      map[string]state.Blob // that rows name already
	history       []state.Entry
	replays       []replay // to be remembered with it
	urgent        bool     // somebody waits for it
	more          bool     // parts of the same transaction follow
	after         []func() // run by the loop once it is durable
	failed        []func() // run instead, where somebody waits and it cannot be written
}

// historyHeld bounds the history that waits for a state which cannot be written.
const historyHeld = 1000

func newTransaction() *transaction {
	return &transaction{
		sources: map[address.Address]*state.Source{}, sinks: map[address.Address]*state.Sink{},
		deleteSources: map[address.Address]bool{}, deleteSinks: map[address.Address]bool{},
		outputs: map[address.Address]*state.Output{}, deleteOutputs: map[address.Address]bool{},
		shared: map[string]state.Counter{}, documents: map[string]*state.Document{},
		blobs: map[string]state.Blob{}, restored: map[string]state.Blob{},
	}
}

func (t *transaction) empty() bool {
	return len(t.sources)+len(t.sinks)+len(t.deleteSources)+len(t.deleteSinks)+len(t.outputs)+len(t.deleteOutputs)+len(t.shared)+len(t.documents)+len(t.restored)+len(t.history)+len(t.after) == 0
}

// add takes in what a recorder wrote.
func (t *transaction) add(b *state.Batch) {
	for _, row := range b.Sources {
		t.sources[row.Address] = row
		delete(t.deleteSources, row.Address)
	}
	for _, row := range b.Sinks {
		t.sinks[row.Address] = row
		delete(t.deleteSinks, row.Address)
	}
	for _, a := range b.DeleteSources {
		delete(t.sources, a)
		t.deleteSources[a] = true
	}
	for _, a := range b.DeleteSinks {
		delete(t.sinks, a)
		t.deleteSinks[a] = true
	}
	for _, row := range b.Outputs {
		t.outputs[row.Address] = row
		delete(t.deleteOutputs, row.Address)
	}
	for _, a := range b.DeleteOutputs {
		delete(t.outputs, a)
		t.deleteOutputs[a] = true
	}
	for name, c := range b.Shared {
		t.shared[name] = c
	}
	for _, doc := range b.Documents {
		t.documents[doc.Name] = doc
	}
	for _, name := range b.DeleteDocuments {
		t.documents[name] = nil
	}
	for _, blob := range b.Blobs {
		t.blobs[blob.Hash] = blob
	}
	for _, blob := range b.Restored {
		t.restored[blob.Hash] = blob
	}
	t.history = append(t.history, b.History...)
}

// holds reports whether the bytes of a blob are in the transaction.
func (t *transaction) holds(hash string) bool {
	_, given := t.blobs[hash]
	_, restored := t.restored[hash]
	return given || restored
}

// over puts a newer transaction over this one.
func (t *transaction) over(newer *transaction) {
	t.add(newer.batch())
	t.after = append(t.after, newer.after...)
}

// batch is what is written. Rows are copied, since the store numbers them while workers read ours.
func (t *transaction) batch() *state.Batch {
	b := &state.Batch{Shared: t.shared, History: t.history}
	for _, row := range t.sources {
		c := *row
		b.Sources = append(b.Sources, &c)
	}
	for _, row := range t.sinks {
		c := *row
		b.Sinks = append(b.Sinks, &c)
	}
	for _, row := range t.outputs {
		c := *row
		b.Outputs = append(b.Outputs, &c)
	}
	for a := range t.deleteOutputs {
		b.DeleteOutputs = append(b.DeleteOutputs, a)
	}
	for a := range t.deleteSources {
		b.DeleteSources = append(b.DeleteSources, a)
	}
	for a := range t.deleteSinks {
		b.DeleteSinks = append(b.DeleteSinks, a)
	}
	for name, doc := range t.documents {
		if doc == nil {
			b.DeleteDocuments = append(b.DeleteDocuments, name)
		} else {
			b.Documents = append(b.Documents, doc)
		}
	}
	for _, blob := range t.blobs {
		b.Blobs = append(b.Blobs, blob)
	}
	for _, blob := range t.restored {
		b.Restored = append(b.Restored, blob)
	}
	return b
}

// record puts rows into the transaction that is being gathered, and their bytes where readers
// find them until they are stored.
func (d *Daemon) record(b *state.Batch) {
	if b.Empty() {
		return
	}
	if d.tx.empty() {
		d.tx.since = time.Now()
	}
	d.reader.add(b.Blobs)
	d.reader.add(b.Restored)
	d.tx.add(b)
}

// recordUrgent puts a document that somebody waits for into a transaction of their own. Either
// done is called once it is durable, and all that was urgent before it, or failed, and then it
// is not and will not be written. Without a document there is only the waiting.
func (d *Daemon) recordUrgent(doc *state.Document, done, failed func()) {
	d.urgent.urgent = true
	if doc != nil {
		d.urgent.documents[doc.Name] = doc
		delete(d.tx.documents, doc.Name) // an older one, or its deletion
		for _, part := range d.rest {
			delete(part.documents, doc.Name)
		}
	}
	d.urgent.after = append(d.urgent.after, done)
	d.urgent.failed = append(d.urgent.failed, failed)
}

// afterCommit runs f once everything gathered so far is durable.
func (d *Daemon) afterCommit(f func()) {
	if d.tx.empty() {
		d.tx.since = time.Now()
	}
	d.tx.after = append(d.tx.after, f)
}

// flush hands what is gathered to the committer, unless it is busy: then more gathers, and
// one sync serves all of it. What somebody waits for goes first; an acceptance waits a moment
// for the intents that follow from it.
func (d *Daemon) flush() {
	if d.writing {
		return
	}
	if d.trouble != nil {
		if _, waits := d.timers.Left(commitTimer); waits {
			return
		}
	}
	if !d.urgent.empty() {
		d.replays.write(d.urgent)
		d.commit(take(&d.urgent))
		return
	}
	if len(d.rest) == 0 {
		if d.tx.empty() || d.holdBack(d.tx) {
			return
		}
		d.rest = take(&d.tx).parts(d.partSize())
	} else if d.holdBack(d.rest[0]) {
		return
	}
	next := d.rest[0]
	d.rest = d.rest[1:]
	d.dropSuperseded(next)
	d.commit(next)
}

// holdBack reports whether the gathered rows wait a little longer.
func (d *Daemon) holdBack(rows *transaction) bool {
	if d.stopping || d.trouble != nil {
		return false
	}
	wait := time.Duration(0)
	if len(d.rest) == 0 && d.renders.Running()+d.renders.Waiting() > 0 {
		wait = gatherCommit - time.Since(rows.since)
	}
	if d.flooded() {
		// A flood of pushes is answered first: deliveries get their share of the time.
		wait = max(wait, min(floodShare*d.lastTook-time.Since(d.lastRows), floodLongest-time.Since(rows.since)))
	}
	if wait <= 0 {
		return false
	}
	d.timers.Set(commitTimer, wait)
	return true
}

// A flood is when several wait for every commit: those that it answers, and where the disk is fast
// those that came meanwhile. Then rows get one part in floodShare+1 of the
// time, are written floodRows at once, so that nobody waits for all of them, and are not put off
// longer than floodLongest, however slow the disk. Somebody who sends one value after the other
// is not kept waiting for their delivery.
//
// Deliveries make the disk busy that the pushes wait for: beyond floodDeliveries that run, one more
// begins each floodDelivery, so that slow ones keep none of the others waiting.
const (
	floodWaiting = 4
	floodGap     = 100 * time.Millisecond // a busy machine lets nobody run for some time
	floodShare   = 9
	floodRows    = 4
	floodLongest = 250 * time.Millisecond

	floodDeliveries = 2
	floodDelivery   = 20 * time.Millisecond
)

func (d *Daemon) flooded() bool { return time.Since(d.lastUrgent) < floodGap }

// deliversLater reports whether the next delivery waits for its turn in a flood.
func (d *Daemon) deliversLater() bool {
	if !d.flooded() || d.delivers.Waiting() == 0 || d.delivers.Running() < floodDeliveries {
		return false
	}
	wait := floodDelivery - time.Since(d.lastDelivery)
	if wait <= 0 {
		return false
	}
	d.timers.Set(deliverTimer, wait)
	return true
}

// partSize is how many rows are written at once, 0 for all.
func (d *Daemon) partSize() int {
	if d.stopping || d.trouble != nil || !d.flooded() {
		return 0
	}
	return floodRows
}

// take hands a transaction out and puts an empty one in its place.
func take(t **transaction) *transaction {
	taken := *t
	*t = newTransaction()
	return taken
}

func (d *Daemon) commit(t *transaction) {
	d.writing = true
	d.commits <- t
}

// dropSuperseded keeps what was sent since from being deleted with what was used.
func (d *Daemon) dropSuperseded(t *transaction) {
	for name, doc := range t.documents {
		if doc != nil || !strings.HasPrefix(name, pushPrefix) {
			continue
		}
		a, err := address.Parse(name[len(pushPrefix):])
		if it := d.sources[a]; err == nil && it != nil && it.sent != nil {
			delete(t.documents, name)
		}
	}
}

// committer makes one transaction after the other durable.
func (d *Daemon) committer() {
	for t := range d.commits {
		start := time.Now()
		b := t.batch()
		err := d.store.Commit(context.Background(), b)
		took := time.Since(start)
		d.post(func() { d.committed(t, took, b.Lost, err) })
	}
}

func (d *Daemon) committed(t *transaction, took time.Duration, lost []string, err error) {
	d.writing = false
	if err != nil {
		d.cannotWrite(t, err)
		return
	}
	if t.urgent {
		if len(t.after)+len(d.urgent.after) >= floodWaiting {
			d.lastUrgent = time.Now()
		}
	} else {
		d.lastRows, d.lastTook = time.Now(), took
	}
	d.ledger.Serial = d.store.Serial()
	if !t.more {
		d.forgetBlobs(t)
	}
	for _, hash := range lost {
		d.lostContent(hash)
	}
	if d.trouble != nil {
		d.canWrite()
	}
	for _, f := range t.after {
		f()
	}
}

// forgetBlobs takes away what readers find in the state from now on.
func (d *Daemon) forgetBlobs(t *transaction) {
	gone := make([]state.Blob, 0, len(t.blobs)+len(t.restored))
	for _, stored := range []map[string]state.Blob{t.blobs, t.restored} {
		for hash, blob := range stored {
			if !d.tx.holds(hash) {
				gone = append(gone, blob)
			}
		}
	}
	d.reader.remove(gone)
}

// cannotWrite stops what is new: nothing is touched that could not be accounted for.
func (d *Daemon) cannotWrite(t *transaction, err error) {
	// The newest first: each puts things back to how it found them.
	d.urgent.refuse()
	d.urgent = newTransaction()
	if t.urgent {
		t.refuse()
	} else {
		for _, part := range d.rest {
			t.over(part)
		}
		t.over(d.tx)
		t.more, d.rest, d.tx = false, nil, t
		t.history = t.history[max(0, len(t.history)-historyHeld):]
	}
	if d.tx.empty() {
		// Something has to be tried, or nobody would learn that it works again.
		d.record(&state.Batch{Documents: []*state.Document{{Name: "trouble", Data: []byte(time.Now().UTC().Format(time.RFC3339))}}})
	}
	d.pause = min(max(commitPause, 2*d.pause), commitLonger)
	d.timers.Set(commitTimer, d.pause)
	first := d.trouble == nil
	d.trouble = err
	if first {
		d.engine.emit(StateTrouble{Err: err.Error()})
	}
}

// refuse answers those who wait for a transaction that cannot be written.
func (t *transaction) refuse() {
	for _, f := range slices.Backward(t.failed) {
		f()
	}
}

// canWrite goes on where cannotWrite stopped.
func (d *Daemon) canWrite() {
	d.trouble, d.pause = nil, 0
	d.engine.emit(StateTrouble{})
	for _, it := range d.sources {
		if it.held {
			it.held = false
			d.ask(it)
		}
	}
	for _, it := range d.sinks {
		if it.removed {
			d.decideRemoval(it)
		} else {
			d.consider(it)
		}
	}
}
