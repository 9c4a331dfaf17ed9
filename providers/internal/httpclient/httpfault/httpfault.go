// Package httpfault is a set of servers that misbehave, for the tests of the http kinds.
// Everything listens on loopback and ends with the test.
package httpfault

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Serve listens and calls handle for every request, with its number (1 for the first) and
// the bare connection, which is closed when handle returns. It returns the server's URL.
func Serve(t testing.TB, handle func(n int, c net.Conn, r *http.Request)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{handle: handle, conns: map[net.Conn]bool{}}
	s.running.Go(func() { s.accept(l) })
	t.Cleanup(func() {
		l.Close()
		s.closeAll()
		s.running.Wait()
	})
	return "http://" + l.Addr().String()
}

type server struct {
	handle  func(int, net.Conn, *http.Request)
	running sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	requests int
	closed   bool
}

func (s *server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		if s.closed {
			c.Close()
		}
		s.mu.Unlock()
		s.running.Go(func() { s.talk(c) })
	}
}

func (s *server) talk(c net.Conn) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.requests++
	n := s.requests
	s.mu.Unlock()
	s.handle(n, c, r)
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
}

// Say serves one fixed answer, as raw bytes with \n for the line ends of the head.
func Say(t testing.TB, head, body string) string {
	t.Helper()
	return Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		_, _ = c.Write([]byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body))
	})
}

// Reset closes a connection so that the other side sees a reset instead of an end.
func Reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// Hang waits until the other side, or the end of the test, closes the connection.
func Hang(c net.Conn) {
	buf := make([]byte, 512)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// Closed returns the URL of a port at which nobody listens.
func Closed(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}
