package httpfault

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"
)

// Answer is what a fake name server says to a question for an IPv4 address.
type Answer struct {
	Address string // dotted, "" for none
	Code    byte   // 2 is SERVFAIL, 3 NXDOMAIN
	Silent  bool   // says nothing at all
}

// DNS starts a name server whose n-th lookup (1 for the first) is answered by answer, and
// returns a resolver that asks nobody else.
func DNS(t testing.TB, answer func(n int) Answer) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { serveDNS(c, answer) })
	t.Cleanup(func() { c.Close(); running.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		c, err := net.DialUDP("udp", nil, c.LocalAddr().(*net.UDPAddr))
		return hasty{c}, err
	}}
}

// hasty shortens the wait for an answer, which is otherwise twice 5 s for each name server
// whatever becomes of the request that wanted it. (The resolver takes what is no PacketConn
// for a TCP connection, so the wrapped type matters.)
type hasty struct{ *net.UDPConn }

func (h hasty) SetDeadline(time.Time) error {
	return h.UDPConn.SetDeadline(time.Now().Add(400 * time.Millisecond))
}

const typeA = 1

func serveDNS(c net.PacketConn, answer func(int) Answer) {
	buf := make([]byte, 1500)
	lookups := 0
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		question := questionOf(buf[:n])
		if question == nil {
			continue
		}
		ipv4 := binary.BigEndian.Uint16(question[len(question)-4:]) == typeA
		if ipv4 {
			lookups++
		}
		a := answer(max(lookups, 1))
		if a.Silent {
			continue
		}
		if !ipv4 {
			a.Address = ""
		}
		_, _ = c.WriteTo(reply(buf[:2], question, a), from)
	}
}

// questionOf returns name, type and class of a query's first question.
func questionOf(query []byte) []byte {
	for i := 12; i < len(query); i += int(query[i]) + 1 {
		if query[i] == 0 && i+5 <= len(query) {
			return query[12 : i+5]
		}
	}
	return nil
}

func reply(id, question []byte, a Answer) []byte {
	ip := net.ParseIP(a.Address).To4()
	out := append([]byte{}, id...)
	out = append(out, 0x81, 0x80|a.Code, 0, 1, 0, 0, 0, 0, 0, 0)
	out = append(out, question...)
	if ip != nil {
		out[7] = 1                                                // one answer:
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // the name asked for, A, IN, no TTL
		out = append(out, ip...)
	}
	return out
}
