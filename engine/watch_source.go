package engine

import (
	"cmp"
	"math/rand/v2"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// nilValue is cty's zero value, under a name that does not shadow.
var nilValue = cty.NilVal

// sourceItem is what the loop knows of one source beside its row in the ledger.
type sourceItem struct {
	node *node

	queued   bool   // it waits for a worker, or one looks
	lane     string // the group it is counted in meanwhile; a reload may change group
	spared   bool   // its host is not asked this time
	looking  bool
	again    bool // something told of a change while it was looked at
	moved    bool // what it is made of moved meanwhile
	scatter  bool // its next wait ends at random: many sources began within less time than that
	gone     bool // it is no longer declared
	tried    bool
	lost     bool   // its accepted bytes cannot be read
	outdated bool   // a saved plan has accepted another value since the look under way began
	held     bool   // it brought something new while the state could not be written
	poll     bool   // the next look is at the origin, whatever was sent
	group    string // the host, which is spared while it fails
	place    string // where it looked last, if that comes out of data
	judged   string
	delay    time.Duration // that the detectors asked for last, 0 before they were asked
	lastLook time.Time

	pace      *pace
	settling  time.Time // since when it is being written in place, zero if it is not
	stopWatch func()
	watchable providers.Watcher

	pushed    *pushedValue // sent, durable, and not looked at
	accepting int          // acceptances on their way to the state
	sent      *pushedValue // the newest one, perhaps not durable yet
	due       time.Time    // of the next look, zero if only something tells

	standing plan.Standing
	problem  plan.Problem
	state    string
	identity string
	trouble  *sourceTrouble // nil for one that never had any

	lastSuccess    time.Time
	looks, changes int64
}

// sourceTrouble is what there is to know of a source that was not always well.
type sourceTrouble struct {
	reason                 string
	fallback               cty.Value
	until                  time.Time // of a deferral
	lastError              string
	lastErrorTime          time.Time
	certificate            time.Time // when it ends
	restored               time.Time // when lost content was there again
	lostPush               string    // what became of a value that was sent and is to be sent again, "" for nothing
	rejections, errorsSeen int64
}

// had returns the trouble of a source, for reading.
func (it *sourceItem) had() *sourceTrouble {
	if it.trouble == nil {
		return &noTrouble
	}
	return it.trouble
}

var noTrouble sourceTrouble

// has returns the trouble of a source, for writing.
func (it *sourceItem) has() *sourceTrouble {
	if it.trouble == nil {
		it.trouble = &sourceTrouble{}
	}
	return it.trouble
}

func (it *sourceItem) setReason(reason string) {
	if it.had().reason != reason {
		it.has().reason = reason
	}
}

func (it *sourceItem) noteCertificate(ends time.Time) {
	if !ends.IsZero() && !it.had().certificate.Equal(ends) {
		it.has().certificate = ends
	}
}

func (it *sourceItem) addr() address.Address { return it.node.addr }

// looked is what one look brought.
type looked struct {
	item *sourceItem
	node *node
	look *look
	push *pushedValue

	group string // that it was counted in when it was let in
}

// prepareSources makes detectors, arms notifications and spreads out the first looks.
func (d *Daemon) prepareSources(items []*sourceItem) {
	many := time.Duration(len(items))*startSpread > startLongest
	for i, it := range items {
		delete(d.learned, it.addr()) // of the block as it was
		it.standing, it.problem = plan.Nothing, plan.NoProblem
		it.setReason("")
		it.pace = d.paceOf(it.node, intervalOf(it.node))
		if src := d.engine.prog.static(it.node); src != nil {
			d.meet(it, src)
		} else {
			d.join(it, "")
		}
		d.sealWaiting(it)
		it.scatter = many
		d.schedule(it, spread(i, len(items), startLongest))
	}
}

// meet learns from the instance what does not change with the data.
func (d *Daemon) meet(it *sourceItem, src providers.Source) {
	if err := d.opts.contain(it.addr(), func() { d.learn(it, src) }); err != nil {
		d.sourceState(it, StateFailing, err.Error())
	}
}

func (d *Daemon) learn(it *sourceItem, src providers.Source) {
	d.join(it, hostOf(src))
	if id, ok := src.(providers.Identifier); ok && it.node.static != nil {
		it.identity = it.node.static.shown(id.Identity())
	}
	w, ok := src.(providers.Watcher)
	if ok && it.pace.debounce > 0 && it.stopWatch == nil {
		it.watchable = w
		d.rewatch(it)
	}
}

// meetAgain learns how often and where a source looks whose configuration comes out of data,
// when that moved.
func (d *Daemon) meetAgain(it *sourceItem, l *look) {
	d.learnReceiver(it, l)
	src, place := l.source, ""
	if interval := l.settings.Interval; len(it.node.detectors) == 0 && interval != it.pace.interval {
		it.pace = d.paceOf(it.node, interval)
	}
	if id, ok := src.(providers.Identifier); ok {
		if d.opts.contain(it.addr(), func() { place = id.Identity() }) != nil {
			return // the look has failed for the same reason
		}
	}
	if it.place == place && (it.group != "" || it.watchable != nil) {
		return
	}
	it.place = place
	d.unwatch(it)
	d.meet(it, src)
}

// rewatch asks for notification where there is none.
func (d *Daemon) rewatch(it *sourceItem) {
	if it.watchable == nil || it.stopWatch != nil || d.isPaused(it.addr()) != nil {
		return
	}
	stop, err := d.notification(it.addr(), it.watchable, func(c providers.Change) {
		d.post(func() { d.notified(it, c) })
	})
	if err != nil {
		d.opts.logger().Warn("changes are not notified, only polled for", "address", it.addr().String(), "error", err.Error())
		it.watchable = nil // until it is configured anew: each poll would say the same
		return
	}
	it.stopWatch = stop
}

// notification asks a Watcher to tell of changes. What it returns ends that.
func (d *Daemon) notification(a address.Address, w providers.Watcher, wake func(providers.Change)) (stop func(), err error) {
	if broken := d.opts.contain(a, func() { stop, err = w.Watch(wake) }); broken != nil {
		err = broken
	}
	if err != nil {
		return nil, err
	}
	end := stop
	return func() { _ = d.opts.contain(a, end) }, nil
}

func (d *Daemon) unwatch(it *sourceItem) {
	if it.stopWatch != nil {
		it.stopWatch()
		it.stopWatch = nil
	}
	it.watchable = nil
}

func settingsOf(n *node) (*providers.SourceSettings, bool) {
	if n.static == nil {
		return nil, false
	}
	s, ok := n.static.settings.(*providers.SourceSettings)
	return s, ok
}

// schedule sets the time of the next look.
func (d *Daemon) schedule(it *sourceItem, wait time.Duration) {
	it.due = time.Now().Add(wait)
	d.timers.Set(it, wait)
}

// reschedule asks the detectors when to look again. Without any, the source is read once.
func (d *Daemon) reschedule(it *sourceItem, atLeast time.Duration) {
	if len(it.pace.detectors) == 0 && it.problem != plan.Failed && it.problem != plan.Limited {
		it.due = time.Time{}
		d.timers.Stop(it)
		return
	}
	wait := d.nextDelay(it)
	if row := d.ledger.Sources[it.addr()]; row == nil || row.Failures == 0 {
		it.delay = wait // what an adaptive interval goes on from: no back-off, no first or told look
		if it.scatter {
			it.scatter = false
			wait = max(min(wait, leastScatter), time.Duration(rand.Float64()*float64(wait)))
		}
	}
	if it.problem == plan.Limited {
		until := max(0, time.Until(it.had().until))
		if wait = min(wait, until); len(it.pace.detectors) == 0 {
			wait = until
		}
	}
	if c := d.circuits[it.group]; c != nil {
		if left, first := c.left(it, time.Now()); first {
			wait = min(wait, left)
		}
	}
	d.schedule(it, max(wait, atLeast))
}

// leastScatter is the shortest wait that a longer one is cut down to.
const leastScatter = 100 * time.Millisecond

// onceBackoff is the longest wait between looks at a source that is otherwise read once.
const onceBackoff = 5 * time.Minute

func (d *Daemon) nextDelay(it *sourceItem) time.Duration {
	row := d.ledger.Sources[it.addr()]
	h := providers.History{Now: time.Now(), Current: it.delay, Random: rand.Float64()}
	if row != nil {
		h.Changes, h.Failures = row.Changes, row.Failures
	}
	wait := time.Duration(-1)
	for i := range it.pace.detectors {
		d.askDetector(it.addr(), it.pace, i, func(det providers.Detector) {
			if w := det.Delay(h); wait < 0 || w < wait {
				wait = w
			}
		})
	}
	if it.pace.broken != "" && it.state == StateOK {
		d.well(it)
	}
	if wait < 0 { // without detectors: it failed, or what was sent to it waits for a limit
		wait = min(onceBackoff, time.Second<<min(h.Failures, 10))
	}
	return wait
}

// sourceDue is the moment of the next look.
func (d *Daemon) sourceDue(it *sourceItem) {
	it.settling = time.Time{}
	it.poll = true
	d.ask(it)
}

// notified takes in what a Watcher told.
func (d *Daemon) notified(it *sourceItem, c providers.Change) {
	if it.gone || it.stopWatch == nil {
		return
	}
	if c != providers.Written {
		it.settling = time.Time{}
		d.ask(it)
		return
	}
	// In place: wait until it was quiet for so long, but not for ever where it never is.
	now := time.Now()
	if it.settling.IsZero() {
		it.settling = now
	}
	wait := it.pace.debounce
	if since := now.Sub(it.settling); since > settleTimes*it.pace.debounce {
		wait = 0
	}
	if it.queued {
		it.again = true
		return
	}
	it.due = now.Add(wait)
	d.timers.Set(it, wait)
}

// settleTimes bounds how often writing goes on before it is looked at all the same.
const settleTimes = 10

// ask puts a source before a worker, unless it is there already: then it is looked at once more.
func (d *Daemon) ask(it *sourceItem) {
	switch {
	case it.gone || d.stopping || d.givesUp(it.addr()):
		return
	case d.isPaused(it.addr()) != nil:
		d.sourceState(it, StatePaused, pauseReason(d.isPaused(it.addr())))
		d.timers.Stop(it)
		it.due = time.Time{}
		d.triedOnce(it) // nobody waits for it
		return
	case it.queued:
		it.again = true
		return
	}
	it.queued, it.lane, it.spared = true, it.group, false
	if c := d.circuits[it.group]; c != nil && it.pushed == nil && !c.allow(it, time.Now()) {
		it.lane, it.spared = "", true // nobody is asked, so nobody has to wait for a turn
	}
	d.looks.Add(it, it.lane)
}

// askPushed looks at what was sent. While an acceptance is on its way to the state it waits: in
// a flood the next one would only supersede it, so one look for each commit is enough.
func (d *Daemon) askPushed(it *sourceItem) {
	if it.pushed != nil && it.accepting == 0 {
		d.ask(it)
	}
}

// workerIdle is how long a worker waits for the next job before it goes.
const workerIdle = 5 * time.Second

// noteSource keeps counts and times, and says once what changed.
func (d *Daemon) noteSource(it *sourceItem, l *look, c plan.Choice, known bool) {
	now := time.Now()
	if l.Identity != "" {
		it.identity = l.Identity
	}
	if it.judged = l.Judged; it.moved {
		it.judged = ""
	}
	it.noteCertificate(l.certificateEnds)
	if !it.had().until.Equal(c.Until) {
		it.has().until = c.Until
	}
	row := d.ledger.Sources[it.addr()]
	to, reason := StateOK, c.Reason
	switch c.Problem {
	case plan.Failed:
		it.has().errorsSeen++
		it.trouble.lastError, it.trouble.lastErrorTime = c.Reason, now
		to = StateFailing
		if row != nil && row.Failures >= it.pace.threshold {
			to = StateDegraded
		}
	case plan.Rejected:
		to = StateRejected
		if !known {
			it.has().rejections++
			version := ""
			if l.Fresh != nil {
				version = l.Fresh.Version
			}
			d.engine.emit(Rejected{Address: it.addr(), Version: version, Reason: refusal(l.Checks)})
		}
		it.lastSuccess = now
	case plan.Limited:
		to, it.lastSuccess = StateDeferred, now
	case plan.Flapping:
		to, it.lastSuccess = StateFlapping, now
	case plan.Waiting:
		to = StateWaiting
		if lost := it.had().lostPush; lost != "" {
			to, reason = StateDegraded, lost
		}
	case plan.Blocked:
		to = StateBlocked
	default:
		it.lastSuccess = now
		d.well(it)
		return
	}
	d.sourceState(it, to, reason)
}

// well notes that nothing is wrong with what a source brings.
func (d *Daemon) well(it *sourceItem) {
	if wrong := cmp.Or(it.had().lostPush, it.pace.broken); wrong != "" {
		d.sourceState(it, StateDegraded, wrong)
		return
	}
	d.sourceState(it, StateOK, "")
}

// sourceState notes the state of a source and tells of it when it changes.
func (d *Daemon) sourceState(it *sourceItem, to, reason string) {
	from := it.state
	it.state = to
	it.setReason(reason)
	if from != to {
		d.engine.emit(SourceState{Address: it.addr(), From: from, To: to, Reason: reason})
	}
}

// newStanding lets those who use a source look again when what they see of it moved.
func (d *Daemon) newStanding(it *sourceItem, c plan.Choice, read bool) {
	before, problem := it.standing, it.problem
	it.standing, it.problem = c.Standing, c.Problem
	if c.Standing == plan.Candidate {
		it.standing = plan.Accepted
	}
	if it.trouble != nil {
		it.trouble.fallback = nilValue
	}
	if c.Standing == plan.Fallback {
		it.has().fallback = c.Value
	}
	stale := (problem == plan.Failed) != (it.problem == plan.Failed)
	other := it.standing == plan.Nothing && problem != it.problem // what its users say of it
	if !read && before == it.standing && !other && !(stale && it.node.readsAttribute("stale")) {
		return
	}
	d.wakeUsers(it.addr(), causeInput)
}

// wakeUsers lets everything that depends on a source or sink look again.
func (d *Daemon) wakeUsers(a address.Address, why cause) {
	for _, output := range d.outputs[a] {
		d.staleOutputs[output] = true
	}
	for _, block := range d.instances.made[a] {
		d.instances.stale[block] = true
	}
	for _, user := range d.users[a] {
		if snk := d.sinks[user]; snk != nil {
			d.touch(snk, why)
		} else if src := d.sources[user]; src != nil {
			src.judged, src.moved = "", src.queued
			d.ask(src)
		}
	}
}

// afterLook sets the time of the next one.
func (d *Daemon) afterLook(it *sourceItem, atLeast time.Duration) {
	if d.instances.edited {
		defer d.settleExpansions()
	}
	if it.watchable != nil {
		d.rewatch(it)
	}
	if it.pushed != nil && it.problem != plan.Limited && it.problem != plan.Failed && it.problem != plan.Blocked {
		if it.accepting == 0 {
			d.ask(it) // sent while it was looked at
			return
		}
		it.again = false // askPushed does it
	}
	if it.moved {
		it.moved, it.again = false, false
		d.ask(it) // what it is made of is another: no back-off holds for that
		return
	}
	if it.again {
		it.again = false
		// A noisy neighbour never shortens a back-off; a local file is cheap to look at.
		if it.problem != plan.Failed || it.group == "" {
			d.schedule(it, it.pace.debounce)
			return
		}
	}
	d.reschedule(it, atLeast)
}

// forgetSource ends a source that is no longer declared.
func (d *Daemon) forgetSource(it *sourceItem) {
	it.gone = true
	d.unwatch(it)
	d.join(it, "")
	d.timers.Stop(it)
	if !it.tried {
		d.untried--
	}
	delete(d.sources, it.addr())
	b := &state.Batch{}
	if d.ledger.Sources[it.addr()] != nil {
		delete(d.ledger.Sources, it.addr())
		b.DeleteSources = []address.Address{it.addr()}
	}
	if len(b.DeleteSources) > 0 || it.pushed != nil || it.sent != nil {
		b.DeleteDocuments = []string{pushDocument(it.addr())}
	}
	d.record(b)
}
