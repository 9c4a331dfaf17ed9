//go:build unix

package engine_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Types and flags of HTTP/2 frames, RFC 9113 section 6.
const (
	frameData, frameHeaders, frameReset, frameSettings   = 0x0, 0x1, 0x3, 0x4
	framePing, frameGoAway, frameUpdate, frameContinue   = 0x6, 0x7, 0x8, 0x9
	endStream, endHeaders, acknowledge                   = 0x1, 0x4, 0x1
	noError, protocolError, refusedStream, enhanceCalm   = 0x0, 0x1, 0x7, 0xb
	preface                                              = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	statusOK                                             = "\x88" // HPACK: entry 8 of the static table, ":status: 200"
	jsonType                                             = "\x0f\x10\x10application/json"
	headersOfOneHundredAndTwentySevenBytesThatAreNotKept = "\x00\x01x\x7b"
)

// a frames talks HTTP/2 without a library, to say what no library would.
type frames struct {
	net.Conn
	in *bufio.Reader
}

func (f *frames) send(kind, flags byte, stream uint32, payload string) error {
	head := make([]byte, 9, 9+len(payload))
	head[0], head[1], head[2] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload))
	head[3], head[4] = kind, flags
	binary.BigEndian.PutUint32(head[5:], stream)
	_, err := f.Write(append(head, payload...))
	return err
}

// request reads up to the next request and returns its stream, 0 at the end.
func (f *frames) request() uint32 {
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(f.in, head); err != nil {
			return 0
		}
		size := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, f.in, size); err != nil {
			return 0
		}
		switch {
		case head[3] == frameHeaders:
			return binary.BigEndian.Uint32(head[5:])
		case head[3] == frameSettings && head[4]&acknowledge == 0:
			_ = f.send(frameSettings, acknowledge, 0, "")
		}
	}
}

func (f *frames) answer(stream uint32, body string) {
	_ = f.send(frameHeaders, endHeaders, stream, statusOK+jsonType)
	_ = f.send(frameData, endStream, stream, body)
}

func (f *frames) goAway(last uint32, code byte) {
	payload := binary.BigEndian.AppendUint32(nil, last)
	_ = f.send(frameGoAway, 0, 0, string(append(payload, 0, 0, 0, code)))
}

func (f *frames) reset(stream uint32, code byte) error {
	return f.send(frameReset, 0, stream, string([]byte{0, 0, 0, code}))
}

// h2 is a server that speaks HTTP/2 as it is told to: say gets each request with its number.
type h2 struct {
	url, ca  string
	listener net.Listener
	running  sync.WaitGroup
	mutex    sync.Mutex
	conns    []net.Conn
	requests int
	say      func(n int, f *frames, stream uint32) (goOn bool)
}

func newH2(t *testing.T) *h2 {
	t.Helper()
	cert, ca := certificate(t, 365*24*time.Hour)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	s := &h2{url: "https://" + l.Addr().String(), ca: ca, listener: l}
	s.from(func(_ int, f *frames, stream uint32) bool { f.answer(stream, `{"a":1}`); return true })
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mutex.Lock()
			s.conns = append(s.conns, c)
			s.mutex.Unlock()
			s.running.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mutex.Lock()
		for _, c := range s.conns {
			c.Close()
		}
		s.mutex.Unlock()
		s.running.Wait()
	})
	return s
}

func (s *h2) from(say func(n int, f *frames, stream uint32) bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.say, s.requests = say, 0
}

func (s *h2) asked() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.requests
}

func (s *h2) talk(c net.Conn) {
	defer c.Close()
	f := &frames{c, bufio.NewReader(c)}
	if _, err := io.ReadFull(f.in, make([]byte, len(preface))); err != nil {
		return
	}
	_ = f.send(frameSettings, 0, 0, "")
	for stream := f.request(); stream != 0; stream = f.request() {
		s.mutex.Lock()
		s.requests++
		n, say := s.requests, s.say
		s.mutex.Unlock()
		if !say(n, f, stream) {
			return
		}
	}
}

// drain lets the peer close first, so that what was sent is not lost to a reset.
func (f *frames) drain() bool {
	_ = f.Conn.(*tls.Conn).CloseWrite()
	_, _ = io.Copy(io.Discard, f.in)
	return false
}

// H29: a server that goes away or refuses before it has begun is asked again, since a GET
// may be; a look with its retries then succeeds.
func TestFaultHTTP2IsAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		attributes string
		first      func(f *frames, stream uint32) bool
	}{
		"GOAWAY before the request": {"", func(f *frames, _ uint32) bool { f.goAway(0, noError); return f.drain() }},
		"GOAWAY that lets it finish": {"", func(f *frames, stream uint32) bool {
			_ = f.send(frameHeaders, endHeaders, stream, statusOK+jsonType)
			_ = f.send(frameData, 0, stream, `{"a"`)
			f.goAway(stream, noError)
			_ = f.send(frameData, endStream, stream, `:2}`)
			return f.drain()
		}},
		"GOAWAY in the body": {"retry { attempts = 2 }", func(f *frames, stream uint32) bool {
			_ = f.send(frameHeaders, endHeaders, stream, statusOK+jsonType)
			_ = f.send(frameData, 0, stream, `{"a"`)
			f.goAway(0, enhanceCalm)
			return false
		}},
		"RST_STREAM, refused": {"", func(f *frames, stream uint32) bool { return f.reset(stream, refusedStream) == nil }},
		"RST_STREAM in the body": {"retry { attempts = 2 }", func(f *frames, stream uint32) bool {
			_ = f.send(frameHeaders, endHeaders, stream, statusOK+jsonType)
			_ = f.send(frameData, 0, stream, `{"a"`)
			return f.reset(stream, protocolError) == nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newH2(t)
			m := h2Module(t, s, c.attributes)
			s.from(func(n int, f *frames, stream uint32) bool {
				if n == 1 {
					return c.first(f, stream)
				}
				f.answer(stream, `{"a":2}`)
				return true
			})
			m.mustApply()
			m.wantFile("out.json", `{"a":2}`)
		})
	}
}

// h2Module is httpModule over TLS. Attributes replace those of the same name.
func h2Module(t *testing.T, s *h2, attributes string) *module {
	t.Helper()
	m := httpModule(t, s.url, `tls { ca_file = "`+s.ca+`" }`)
	if attributes == "" {
		return m
	}
	text, _ := m.read("main.hcl")
	name := strings.Fields(attributes)[0]
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), name+" ") {
			line = "  " + attributes + "\n"
		}
		lines = append(lines, line)
	}
	m.write("main.hcl", strings.Join(lines, ""))
	return m
}

// H29: floods end with the look, in bounded time and memory, and change nothing.
func TestFaultHTTP2Floods(t *testing.T) {
	header := strings.Repeat(headersOfOneHundredAndTwentySevenBytesThatAreNotKept+strings.Repeat("y", 0x7b), 128)
	for name, flood := range map[string]func(f *frames, stream uint32) bool{
		"CONTINUATION": func(f *frames, stream uint32) bool {
			err := f.send(frameHeaders, 0, stream, statusOK)
			for err == nil {
				err = f.send(frameContinue, 0, stream, header)
			}
			return false
		},
		"empty CONTINUATION": func(f *frames, stream uint32) bool {
			err := f.send(frameHeaders, 0, stream, statusOK)
			for err == nil {
				err = f.send(frameContinue, 0, stream, "")
			}
			return false
		},
		"RST_STREAM": func(f *frames, stream uint32) bool {
			var err error
			for err == nil {
				err = f.reset(stream, protocolError)
			}
			return false
		},
		"RST_STREAM, always refused": func(f *frames, stream uint32) bool { return f.reset(stream, refusedStream) == nil },
		"RST_STREAM of others": func(f *frames, _ uint32) bool {
			var err error
			for other := uint32(3); err == nil; other += 2 {
				err = f.reset(other, refusedStream)
			}
			return false
		},
		"PING": func(f *frames, _ uint32) bool {
			go func() { _, _ = io.Copy(io.Discard, f.in) }()
			var err error
			for err == nil {
				err = f.send(framePing, 0, 0, "12345678")
			}
			return false
		},
		"PING that nobody reads": func(f *frames, _ uint32) bool {
			var err error
			for err == nil {
				err = f.send(framePing, 0, 0, "12345678")
			}
			return false
		},
		"SETTINGS": func(f *frames, _ uint32) bool {
			var err error
			for err == nil {
				err = f.send(frameSettings, 0, 0, "\x00\x04\x00\x00\xff\xff")
			}
			return false
		},
		"WINDOW_UPDATE": func(f *frames, _ uint32) bool {
			var err error
			for err == nil {
				err = f.send(frameUpdate, 0, 0, "\x00\x00\x00\x01")
			}
			return false
		},
		"empty DATA": func(f *frames, stream uint32) bool {
			err := f.send(frameHeaders, endHeaders, stream, statusOK+jsonType)
			for err == nil {
				err = f.send(frameData, 0, stream, "")
			}
			return false
		},
		"DATA beyond the window": func(f *frames, stream uint32) bool {
			err := f.send(frameHeaders, endHeaders, stream, statusOK+jsonType)
			for err == nil {
				err = f.send(frameData, 0, stream, strings.Repeat(" ", 16<<10))
			}
			return false
		},
		"GOAWAY, always": func(f *frames, _ uint32) bool { f.goAway(0, noError); return f.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newH2(t)
			m := h2Module(t, s, "")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			s.from(func(_ int, f *frames, stream uint32) bool { return flood(f, stream) })
			m.timeout("500ms")
			m.keeps(t, "source.http.c")
			if d := time.Since(begun); d > time.Minute {
				t.Errorf("the look took %v", d)
			}
			runtime.ReadMemStats(&after)
			// The server's own share is in it.
			if held := int64(after.HeapInuse) - int64(before.HeapInuse); held > 64<<20 {
				t.Errorf("it holds %d MB more", held>>20)
			}
			if n := s.asked(); n > 25 {
				t.Errorf("it asked %d times", n)
			}
			s.from(func(_ int, f *frames, stream uint32) bool { f.answer(stream, `{"a":3}`); return true })
			m.timeout("20s")
			// A connection whose answer was refused before its end is found out by the next look.
			if _, _, diags := m.apply(); diags.HasErrors() {
				m.mustApply()
			}
			m.wantFile("out.json", `{"a":3}`)
		})
	}
}
