package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/queue"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// WatchOptions say how a daemon behaves, beside the configuration it runs.
type WatchOptions struct {
	Grace       time.Duration // to finish what is under way when it is stopped, 0 for DefaultGrace
	AllowDelete bool          // removed sinks with on_destroy = "delete" need no approval
	// ConfigInterval is between two looks at the configuration's files, 0 for half a second.
	// Below 0 they are read again on request alone.
	ConfigInterval time.Duration
	// Prepare is asked before another configuration runs in place of the present one, by another
	// goroutine than the loop's and one at a time: what stands around the daemon (its listener)
	// gets ready for it. Errors refuse the configuration. It returns nil where nothing changes.
	Prepare func(e *Engine, in *Receivers) (*Prepared, hcl.Diagnostics)
}

// Prepared is what stands ready for another configuration. One of its functions is called: Commit
// by the loop once the configuration runs, and then it does not wait for anything, or Abort where
// it does not come to that.
type Prepared struct{ Commit, Abort func() }

// DefaultGrace is how long a stopping daemon waits for deliveries under way.
const DefaultGrace = 10 * time.Second

// Times of the loop.
const (
	wakeStep     = 50 * time.Millisecond // distant deadlines fall together: waking up is the cost of polling
	startSpread  = time.Millisecond      // between the first looks of two sources
	startLongest = 3 * time.Second       // until the last of the first looks begins; hosts are spared by the gate
	healLongest  = 30 * time.Second      // likewise for the sources of a host that failed
	longestLook  = 10 * time.Minute      // whatever a kind's own deadlines say
	longestRead  = 30 * time.Second      // of a target
	commitPause  = time.Second           // before a failed commit is tried again; it doubles
	commitLonger = 30 * time.Second      // up to here
	gatherCommit = 5 * time.Millisecond  // that an acceptance waits for its first intents
)

// Daemon is a configuration that is kept true: it looks at sources when they are due or tell
// of a change, accepts what passes, delivers to the sinks, repairs what others change, and
// never stops for something that fails.
//
// One goroutine owns the ledger and everything below; workers get a scene and return what
// they saw. Every wake means only "look again": the loop asks what is true now and converges,
// so that lost, repeated and late events do no harm. An intent is durable before its delivery
// begins, and an acceptance stands in one commit with its first intents.
type Daemon struct {
	opts    Options
	watch   WatchOptions
	engine  *Engine // of the running configuration
	store   state.Store
	reader  *overlay
	cache   *valueCache
	started time.Time

	// The rest belongs to the loop.
	ledger               *state.Ledger
	texts                texts // of its rows
	limits               map[string]plan.Limiter
	limited              map[string][]address.Address // users of a shared limit
	sources              map[address.Address]*sourceItem
	sinks                map[address.Address]*sinkItem
	users                map[address.Address][]address.Address // sources and sinks that depend on one
	timers               *queue.Timers[any]                    // *sourceItem, *sinkItem or a timerName
	looks                *queue.Gate[*sourceItem]
	renders              *queue.Gate[*sinkItem]
	delivers             *queue.Gate[*sinkItem]
	circuits             map[string]*circuit
	tx                   *transaction   // gathered, not yet on its way
	rest                 []*transaction // parts of one that are still to be written
	urgent               *transaction   // that somebody waits for
	paces                map[string]*pace
	outputs              map[address.Address][]address.Address // by what they are made from
	staleOutputs         map[address.Address]bool
	instances            instances // of blocks whose instances follow data
	checks               map[address.Address]*CheckStatus
	evaluating           bool                       // a worker evaluates outputs
	hooks                map[string][]*sourceItem   // by the name of the detectors that a request wakes
	writers              map[string]address.Address // of paths, made when somebody asks
	claims               map[string][]*sinkItem     // of paths that come out of data
	trouble              error                      // why the state cannot be written, nil if it can
	pause                time.Duration
	pauses               []*Pause
	approvals            map[address.Address]*Approval
	commits              chan *transaction // to the committer
	writing              bool              // a transaction is with the committer
	lastTook             time.Duration     // of the newest commit of rows
	lastRows, lastUrgent time.Time         // ends of commits
	lastDelivery         time.Time         // when one began
	untried              int               // sources that were never looked at since the start
	reload               ReloadStatus
	saved                [sha256.Size]byte // of the configuration as it is kept in the state
	first                []byte            // what is to be kept of it at the start
	waiting              []*state.Document // values that were sent and not looked at when the last daemon ended
	carrying             *savedRun         // a saved plan that is carried out, nil for none
	held                 *heldConfig       // waits until what it moves has nothing under way, nil for none
	moved                int               // when it started
	stopping             bool
	parked               int

	running   atomic.Pointer[Engine] // engine, for who is not the loop
	ready     atomic.Bool
	declared  *Receivers                       // by the configuration, without any data
	learned   map[address.Address]*Receiver    // by looks, of sources whose blocks come out of data; nil for nothing
	clashes   map[address.Address]string       // names that were learned and are taken, as they were logged
	unclaimed map[address.Address]*pushedValue // sent before the start to sources that are not there, or not yet
	receivers atomic.Pointer[Receivers]
	listener  atomic.Pointer[string]
	work      sync.WaitGroup
	lookCtx   context.Context // ends when the daemon stops
	hardCtx   context.Context // ends when the grace period is over
	replays   *replays

	mailMutex sync.Mutex
	mail      []func()
	later     bool          // somebody wakes the loop soon
	wake      chan struct{} // of capacity 1
	done      chan struct{} // closed when the loop has ended
	jobs      chan func()   // to workers that have nothing to do
	reloads   chan reloadRequest
	others    chan otherInstances // of capacity 1

	broken      *Engine         // of the configuration that the last good one stands in for, from the start
	brokenDiags hcl.Diagnostics // what is wrong with it

	listenersMutex sync.Mutex
	listeners      map[chan Event]struct{}
}

// timerName is the key of a timer that belongs to no source or sink.
type timerName string

const (
	commitTimer  timerName = "commit"  // a failed one is tried again, or a gathered one is due
	deliverTimer timerName = "deliver" // one that waits in a flood may begin
	pauseTimer   timerName = "pause"   // one ends
)

// NewDaemon loads the configuration, takes the state's lock and reads the ledger. With errors
// in the diagnostics the daemon is nil. It must be closed.
//
// A configuration that is broken is replaced by the last good one, which the state keeps; the
// errors then come as warnings.
func NewDaemon(ctx context.Context, opts Options, w WatchOptions) (*Daemon, hcl.Diagnostics) {
	if w.Grace <= 0 {
		w.Grace = DefaultGrace
	}
	d := &Daemon{
		watch: w, cache: newValueCache(), texts: texts{}, started: time.Now(),
		sources: map[address.Address]*sourceItem{}, sinks: map[address.Address]*sinkItem{},
		learned: map[address.Address]*Receiver{}, unclaimed: map[address.Address]*pushedValue{},
		paces: map[string]*pace{}, claims: map[string][]*sinkItem{},
		circuits: map[string]*circuit{}, approvals: map[address.Address]*Approval{},
		timers:    queue.NewTimers[any](wakeStep),
		looks:     queue.NewGate[*sourceItem](maxFetches, maxFetchesPerHost),
		renders:   queue.NewGate[*sinkItem](max(8, 4*runtime.GOMAXPROCS(0)), 0),
		commits:   make(chan *transaction, 1),
		wake:      make(chan struct{}, 1),
		done:      make(chan struct{}),
		jobs:      make(chan func()),
		reloads:   make(chan reloadRequest),
		others:    make(chan otherInstances, 1),
		listeners: map[chan Event]struct{}{},
	}
	d.opts = opts
	outer := opts.Events
	d.opts.Events = func(ev Event) {
		if outer != nil {
			outer(ev)
		}
		d.publish(ev)
	}
	e, diags := Load(ctx, d.opts)
	d.engine = e
	d.delivers = queue.NewGate[*sinkItem](e.opts.Parallelism, 0)
	if diags.HasErrors() && !e.mayHoldGood() || e.statePath == "" {
		return nil, diags
	}
	if err := e.Lock(ctx); err != nil {
		return nil, append(diags, lockError(err)...)
	}
	d.store = e.store
	if err := d.recall(ctx); err != nil {
		return nil, append(stateError("Cannot read the state", err), d.closeQuietly()...)
	}
	if !diags.HasErrors() {
		diags = append(diags, d.rememberInstances(e, d.ledger)...)
	}
	if diags.HasErrors() {
		good, more := d.lastGood(ctx, diags)
		if !more.HasErrors() {
			more = append(more, d.rememberInstances(good, d.ledger)...)
		}
		if more.HasErrors() {
			return nil, append(more, d.closeQuietly()...)
		}
		d.engine, diags = good, more
	}
	d.engine.prog.digests()
	if err := d.firstConfiguration(ctx); err != nil {
		return nil, append(stateError("Cannot read the state", err), d.closeQuietly()...)
	}
	if err := d.rememberMoves(ctx); err != nil {
		return nil, append(stateError("Cannot write the state", err), d.closeQuietly()...)
	}
	var err error
	if d.waiting, err = d.store.Documents(ctx, pushPrefix); err != nil {
		return nil, append(stateError("Cannot read the state", fmt.Errorf("read what was pushed: %w", err)), d.closeQuietly()...)
	}
	d.engine.prog.slim()
	d.publishReceivers()
	d.running.Store(d.engine)
	return d, diags
}

func lockError(err error) hcl.Diagnostics {
	var locked *state.LockedError
	if errors.As(err, &locked) {
		return stateError("The state is locked", locked)
	}
	return stateError("Cannot open the state", err)
}

func (d *Daemon) closeQuietly() hcl.Diagnostics {
	if err := d.store.Close(); err != nil {
		return stateError("Cannot close the state", err)
	}
	return nil
}

// recall reads what the state knows.
func (d *Daemon) recall(ctx context.Context) (err error) {
	ledger, err := d.store.Load(ctx)
	if err != nil {
		return err
	}
	d.ledger = ledger
	for _, row := range ledger.Sources {
		d.texts.share(row)
	}
	d.reader = &overlay{Reader: d.store, blobs: map[string][]byte{}}
	d.tx, d.urgent = newTransaction(), newTransaction()
	if err := d.recallPauses(ctx); err != nil {
		return err
	}
	if d.instances.settled, err = recallExpansions(ctx, d.store); err != nil {
		return err
	}
	d.replays, err = recallReplays(ctx, d.store)
	return err
}

// Engine returns the engine of the configuration that ran when it was called.
func (d *Daemon) Engine() *Engine { return d.running.Load() }

// Close releases the state. Run must have returned.
func (d *Daemon) Close() error { return d.engine.Close() }

// Run keeps the configuration true until ctx ends, then finishes what is under way within the
// grace period. It returns nil after a clean end; what was not finished is in the ledger, and
// goes on with the next start.
func (d *Daemon) Run(ctx context.Context) error {
	defer close(d.done)
	look, stopLooks := context.WithCancel(ctx)
	defer stopLooks()
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	d.lookCtx, d.hardCtx = look, hard
	d.work.Go(d.committer)
	d.begin()
	d.loop(ctx)
	d.dropHeld()
	stopLooks()
	d.drain(cut)
	close(d.commits)
	d.stopWatching()
	d.work.Wait()
	d.engine.emit(DaemonStopped{Parked: d.parked})
	if d.trouble != nil {
		return fmt.Errorf("the last outcomes could not be written to the state: %w", d.trouble)
	}
	return nil
}

// begin makes an item of every source and sink and looks at all of them: at sinks at once, so
// that what is missing or was changed is restored from what was accepted, whatever sources
// do; at sources spread out.
func (d *Daemon) begin() {
	d.sweep()
	d.install(nil)
	d.saveConfiguration(d.first)
	d.first = nil
	d.takeUpPushes(d.waiting)
	d.waiting = nil
	d.reload = ReloadStatus{Success: true, Time: time.Now(), Error: d.reload.Error}
	if d.reload.Error != "" {
		d.reload.Success = false
	}
	d.engine.emit(DaemonStarted{Sources: len(d.sources), Sinks: len(d.sinks), Moved: d.moved, LastGood: d.reload.Error != ""})
	d.checkReady()
}

// loop turns until ctx ends: it takes in what came, does what is due, and waits.
func (d *Daemon) loop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	reload := d.watchConfiguration(ctx)
	for ctx.Err() == nil {
		d.turn()
		wait, ok := d.timers.Next()
		if !ok {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-d.wake:
		case next := <-reload:
			d.reconfigure(next)
		}
	}
}

// turn takes in the mail, does what is due, lets work in and hands what is gathered to the
// committer.
func (d *Daemon) turn() {
	for {
		d.mailMutex.Lock()
		mail := d.mail
		d.mail = nil
		d.mailMutex.Unlock()
		for _, f := range mail {
			f()
		}
		if !d.stopping {
			for _, key := range d.timers.Due() {
				d.due(key)
			}
		}
		left := d.admit()
		d.advanceSaved()
		d.takeHeld()
		d.findInstances()
		d.storeOutputs()
		d.flush()
		d.mailMutex.Lock()
		more := left || len(d.mail) > 0
		d.mailMutex.Unlock()
		if !more {
			return
		}
	}
}

func (d *Daemon) due(key any) {
	switch it := key.(type) {
	case *sourceItem:
		d.sourceDue(it)
	case *sinkItem:
		if it.removed {
			d.decideRemoval(it)
		} else {
			d.touch(it, causeTimer)
		}
	case timerName:
		if it == pauseTimer {
			d.endPauses()
		}
	}
}

// admit starts the jobs for which there is room, and reports whether it left some for the next turn.
func (d *Daemon) admit() (left bool) {
	for n := 0; !d.stopping; n++ {
		if n >= floodRows && d.flooded() {
			left = true // what was sent meanwhile is taken in first
			break
		}
		it, ok := d.looks.Take()
		if !ok {
			break
		}
		d.look(it)
	}
	for !d.stopping {
		it, ok := d.renders.Take()
		if !ok {
			break
		}
		d.render(it)
	}
	for !d.deliversLater() {
		it, ok := d.delivers.Take()
		if !ok {
			break
		}
		d.deliver(it)
	}
	return left
}

// post hands something to the loop, from any goroutine. It never blocks.
func (d *Daemon) post(f func()) {
	d.mailMutex.Lock()
	d.mail = append(d.mail, f)
	d.mailMutex.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// postLater is post for what may wait a little: many of them make one turn.
func (d *Daemon) postLater(f func()) {
	d.mailMutex.Lock()
	d.mail = append(d.mail, f)
	first := !d.later
	d.later = true
	d.mailMutex.Unlock()
	if first {
		time.AfterFunc(wakeStep, func() {
			d.mailMutex.Lock()
			d.later = false
			d.mailMutex.Unlock()
			select {
			case d.wake <- struct{}{}:
			default:
			}
		})
	}
}

// call runs f in the loop and waits for it. Once the loop has ended it returns an error.
func (d *Daemon) call(ctx context.Context, f func()) error {
	finished := make(chan struct{})
	d.post(func() { f(); close(finished) })
	select {
	case <-finished:
		return nil
	case <-d.done:
		return errors.New("the daemon has stopped")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain waits for deliveries and commits under way. When the grace period ends, what still
// runs is cut short; its intent stays open in the ledger.
func (d *Daemon) drain(cut context.CancelFunc) {
	d.stopping = true
	d.engine.emit(DaemonStopping{Grace: d.watch.Grace})
	d.timers.Stop(commitTimer) // what could not be written is tried once more
	over := time.NewTimer(d.watch.Grace)
	defer over.Stop()
	late := false
	for {
		d.turn()
		busy := d.delivers.Running() > 0 || d.writing || d.looks.Running() > 0 || d.renders.Running() > 0
		if !busy && (d.tx.empty() && len(d.rest) == 0 && d.urgent.empty() || d.trouble != nil) {
			return
		}
		select {
		case <-d.wake:
		case <-over.C:
			if late {
				return
			}
			late = true
			d.parked = d.delivers.Running()
			cut()
			over.Reset(d.watch.Grace)
		}
	}
}

// publish hands an event to whoever subscribed. One who does not keep up is cut off, so that
// a gap is never mistaken for silence.
func (d *Daemon) publish(ev Event) {
	d.listenersMutex.Lock()
	defer d.listenersMutex.Unlock()
	for c := range d.listeners {
		select {
		case c <- ev:
		default:
			delete(d.listeners, c)
			close(c)
		}
	}
}

// Subscribe returns the events from now on. The channel is closed by cancel, and when buffer
// events wait in it.
func (d *Daemon) Subscribe(buffer int) (events <-chan Event, cancel func()) {
	c := make(chan Event, buffer)
	d.listenersMutex.Lock()
	d.listeners[c] = struct{}{}
	d.listenersMutex.Unlock()
	return c, func() {
		d.listenersMutex.Lock()
		defer d.listenersMutex.Unlock()
		if _, open := d.listeners[c]; open {
			delete(d.listeners, c)
			close(c)
		}
	}
}

// Announce names the control socket to whoever meets the lock of the state.
func (d *Daemon) Announce(socket string) error { return d.store.Announce(socket) }

// Alive returns nil once the loop has turned.
func (d *Daemon) Alive(ctx context.Context) error { return d.call(ctx, func() {}) }

// Ready reports whether every source was tried once.
func (d *Daemon) Ready() bool { return d.ready.Load() }

func (d *Daemon) checkReady() {
	if d.untried <= 0 && d.ready.CompareAndSwap(false, true) {
		d.engine.emit(DaemonReady{Elapsed: time.Since(d.started)})
	}
}

// stopWatching ends every notification.
func (d *Daemon) stopWatching() {
	for _, it := range d.sources {
		d.unwatch(it)
	}
	for _, it := range d.sinks {
		d.unwatchSink(it)
	}
}

// history returns the newest entries first.
func (d *Daemon) History(ctx context.Context, of address.Address, limit int) ([]state.Entry, error) {
	return d.store.History(ctx, of, limit)
}

// pid is the process the daemon runs in.
func pid() int { return os.Getpid() }

// sortedKeys returns the addresses of a map in order.
func sortedKeys[V any](m map[address.Address]V) []address.Address {
	return slices.SortedFunc(maps.Keys(m), address.Address.Compare)
}
