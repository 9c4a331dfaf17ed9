package web

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// maxClients is how many clients are remembered. Who was heard of longest ago is forgotten
// first and then has its whole burst again.
const maxClients = 8192

// clients counts what each client did lately: a token bucket by address.
type clients struct {
	rate, burst float64 // per second, at once
	mutex       sync.Mutex
	byAddr      map[netip.Addr]*list.Element
	recent      list.List // of *client, the latest first
}

type client struct {
	addr  netip.Addr
	level float64
	at    time.Time
}

func newClients(rate, burst int) *clients {
	return &clients{rate: float64(rate), burst: float64(burst), byAddr: map[netip.Addr]*list.Element{}}
}

// clientOf is what counts as one client: an IPv4 address, or an IPv6 network of 64 bits,
// out of which one host can pick any address.
func clientOf(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.Is6() && !addr.IsLoopback() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

// take reports whether the client may do something that costs n, and charges it then.
func (c *clients) take(addr netip.Addr, n int, now time.Time) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	b := c.bucket(addr, now)
	if b.level < 1 {
		return false
	}
	b.level -= float64(n) // may go below zero: who did something dear waits longer
	return true
}

// give takes a charge back.
func (c *clients) give(addr netip.Addr, n int, now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	b := c.bucket(addr, now)
	b.level = min(c.burst, b.level+float64(n))
}

// wait says after how many seconds, at least one, the client may try again.
func (c *clients) wait(addr netip.Addr, now time.Time) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	missing := 1 - c.bucket(addr, now).level
	return max(1, int(missing/c.rate+0.999))
}

func (c *clients) bucket(addr netip.Addr, now time.Time) *client {
	if e := c.byAddr[addr]; e != nil {
		c.recent.MoveToFront(e)
		b := e.Value.(*client)
		if gone := now.Sub(b.at); gone > 0 {
			b.level, b.at = min(c.burst, b.level+gone.Seconds()*c.rate), now
		}
		return b
	}
	if len(c.byAddr) >= maxClients {
		oldest := c.recent.Back()
		delete(c.byAddr, oldest.Value.(*client).addr)
		c.recent.Remove(oldest)
	}
	b := &client{addr, c.burst, now}
	c.byAddr[addr] = c.recent.PushFront(b)
	return b
}
