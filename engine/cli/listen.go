package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/web"
	"tidegate/hclspec"
)

// listening is the listener of a daemon, which a reload may open, change, move or close. The new
// one is open before the old one is closed, or, where both addresses exclude each other, it is as
// good as open; requests under way come to their end.
type listening struct {
	*watching
	flag string          // --listen, in place of the block's address
	ctx  context.Context // ends with the daemon

	mutex sync.Mutex
	now   *openListener // nil without
}

// openListener is one that runs, or is about to.
type openListener struct {
	block  *web.Listener
	socket *web.Socket
	server *web.Server
}

// listen opens the listener, where the configuration or the command line asks for one, or
// something is received.
func (r *watching) listen(ctx context.Context, address string) error {
	r.listening = &listening{watching: r, flag: address, ctx: ctx}
	e := r.daemon.Engine()
	next, diags := r.listening.open(e, r.daemon.Receivers())
	if diags.HasErrors() {
		if diags[0].Subject == nil {
			return errors.New(diags[0].Detail)
		}
		r.say.diagnostics(diags, e.Files())
		return errors.New("the listener block is wrong")
	}
	r.say.diagnostics(diags, e.Files())
	r.listening.serve(next)
	return nil
}

// prepare gets ready for the listener of another configuration; see engine.WatchOptions.
func (l *listening) prepare(e *engine.Engine, in *engine.Receivers) (*engine.Prepared, hcl.Diagnostics) {
	block, diags := l.block(e, in)
	l.mutex.Lock()
	now := l.now
	l.mutex.Unlock()
	if diags.HasErrors() || now == nil && block == nil || now != nil && block != nil && sameListener(now.block, block) {
		return nil, diags
	}
	next, diags := l.open(e, in)
	if diags.HasErrors() {
		return nil, diags
	}
	abort := func() {
		if next != nil && (now == nil || next.socket != now.socket) {
			_ = next.socket.Close() // nobody used it
		}
	}
	return &engine.Prepared{Commit: func() { l.serve(next) }, Abort: abort}, diags
}

// block returns the listener that a configuration asks for, nil for none.
func (l *listening) block(e *engine.Engine, in *engine.Receivers) (*web.Listener, hcl.Diagnostics) {
	s := e.Spec().Settings
	block := &web.Listener{Address: web.DefaultAddress}
	var diags hcl.Diagnostics
	switch {
	case s.Listener != nil:
		block, diags = web.DecodeListener(s.Listener, e.SettingsContext(), e.Spec().Dir)
	case l.flag == "" && len(in.Sources)+len(in.Detectors) == 0 && in.Wildcard == nil:
		return nil, nil
	}
	if l.flag != "" {
		block.Address = l.flag
	}
	return block, diags
}

// sameListener reports whether two blocks mean the same, wherever they stand.
func sameListener(a, b *web.Listener) bool {
	x, y := *a, *b
	x.Range, y.Range = hcl.Range{}, hcl.Range{}
	return reflect.DeepEqual(x, y)
}

// open makes the listener that a configuration asks for, nil for none, and takes nothing from the
// one that runs: at the same address it will go on with the same socket.
func (l *listening) open(e *engine.Engine, in *engine.Receivers) (*openListener, hcl.Diagnostics) {
	block, diags := l.block(e, in)
	if block == nil || diags.HasErrors() {
		return nil, diags
	}
	refuse := func(err error) (*openListener, hcl.Diagnostics) {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "The listener cannot be opened", Detail: err.Error()}
		if l.isOpen() && block.Range != (hcl.Range{}) {
			d.Subject = &block.Range
		}
		return nil, append(hcl.Diagnostics{d}, diags...)
	}
	next := &openListener{block: block}
	var err error
	if next.server, err = web.New(l.daemon, block, web.Options{Logger: l.log, Version: hclspec.Version, Receivers: in}); err != nil {
		return refuse(err)
	}
	l.mutex.Lock()
	now := l.now
	l.mutex.Unlock()
	switch {
	case now == nil:
		next.socket, err = web.Open(l.ctx, block.Address)
	case now.block.Address == block.Address || now.socket.Is(block.Address):
		next.socket = now.socket
	default:
		next.socket, err = web.OpenBeside(l.ctx, block.Address, now.socket)
	}
	if err != nil {
		return refuse(fmt.Errorf("open the listener at %s: %w; free the port, or name another in the listener block or with --listen", block.Address, err))
	}
	return next, diags
}

func (l *listening) isOpen() bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.now != nil
}

// serve lets a listener run in place of the one that does, nil for none. It does not wait.
func (l *listening) serve(next *openListener) {
	if next != nil {
		if err := next.socket.Listen(); err != nil { // it was bound, so nothing is known that would bring this about
			l.log.Error("the listener cannot be opened where the configuration says; it stays as it was", "address", next.block.Address, "error", err.Error())
			return
		}
	}
	l.mutex.Lock()
	before := l.now
	l.now = next
	l.mutex.Unlock()
	if next == nil {
		if before != nil {
			before.server.Retire() // its end closes the socket
			l.daemon.SetListener("")
			l.log.Info("listener is closed", "address", before.socket.Addr().String())
		}
		return
	}
	lease := next.socket.Lease()
	if before != nil {
		quiet := before.server.Retire()
		if before.socket == next.socket {
			l.around.Go(func() {
				<-quiet
				l.accept(next, lease)
			})
			l.log.Info("listener has changed", "address", lease.Addr().String(), "tls", next.block.TLS != nil)
			return
		}
	}
	l.daemon.SetListener(lease.Addr().String())
	l.log.Info("listener is open", "address", lease.Addr().String(), "tls", next.block.TLS != nil)
	l.around.Go(func() { l.accept(next, lease) })
}

// accept serves until the daemon ends or another listener takes the place of this one.
func (l *listening) accept(o *openListener, lease net.Listener) {
	if err := o.server.Serve(l.ctx, lease); err != nil {
		select {
		case l.broken <- fmt.Errorf("the listener broke: %w", err):
		default: // something else broke before
		}
	}
}
