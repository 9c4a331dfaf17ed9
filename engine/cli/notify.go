package cli

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"tidegate/engine"
)

// notifier tells a service manager how the daemon is, as sd_notify(3) describes.
type notifier struct {
	watchdog time.Duration
	events   chan engine.Event
}

// newNotifier returns nil where nobody listens.
func newNotifier(socket string) *notifier {
	if socket == "" {
		return nil
	}
	n := &notifier{events: make(chan engine.Event, 256)}
	if interval, err := daemon.SdWatchdogEnabled(false); err == nil {
		n.watchdog = interval / 2
	}
	return n
}

func (n *notifier) send(state string) { _, _ = daemon.SdNotify(false, state) }

// offer takes in an event that the manager cares for. It never waits. A subscription would be
// cut off by a burst of others, and a manager that hears of no end waits for it.
func (n *notifier) offer(ev engine.Event) {
	switch ev.(type) {
	case engine.DaemonStarted, engine.DaemonReady, engine.ReloadStarted, engine.Reloaded, engine.StateTrouble, engine.DaemonStopping:
		select {
		case n.events <- ev:
		default:
		}
	}
}

// follow sends a message for each event that was offered, and signs of life while the loop
// turns, until ctx ends and what was offered before is sent.
func (n *notifier) follow(ctx context.Context, alive func(context.Context) bool) {
	var beat <-chan time.Time
	if n.watchdog > 0 {
		ticker := time.NewTicker(n.watchdog)
		defer ticker.Stop()
		beat = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			n.rest()
			return
		case <-beat:
			if alive(ctx) {
				n.send(daemon.SdNotifyWatchdog)
			}
		case ev := <-n.events:
			n.event(ev)
		}
	}
}

func (n *notifier) rest() {
	for {
		select {
		case ev := <-n.events:
			n.event(ev)
		default:
			return
		}
	}
}

func (n *notifier) event(ev engine.Event) {
	switch ev := ev.(type) {
	case engine.DaemonStarted:
		n.send(daemon.SdNotifyReady + "\nMAINPID=" + strconv.Itoa(os.Getpid()) + "\nSTATUS=delivering; sources are being tried")
	case engine.DaemonReady:
		n.send("STATUS=every source was tried")
	case engine.ReloadStarted:
		n.send(daemon.SdNotifyReloading + "\nMONOTONIC_USEC=" + monotonic())
	case engine.Reloaded:
		status := "running"
		if ev.Err != "" {
			status = "the configuration is broken and the old one goes on: " + ev.Err
		}
		n.send(daemon.SdNotifyReady + "\nSTATUS=" + status)
	case engine.StateTrouble:
		status := "running"
		if ev.Err != "" {
			status = "the state cannot be written: " + ev.Err
		}
		n.send("STATUS=" + status)
	case engine.DaemonStopping:
		n.send(daemon.SdNotifyStopping)
	}
}
