package web

import (
	"bytes"
	"strconv"
	"sync"
)

// badFraming answers a request whose ends are in doubt. Nobody knows what follows, so
// nothing that follows is read.
var badFraming = []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n" +
	"Content-Length: " + strconv.Itoa(len(badFramingBody)) + "\r\n\r\n" + badFramingBody)

const badFramingBody = `{"error":"ambiguous request","help":"Send one Content-Length or Transfer-Encoding, and end lines with CRLF."}`

// framing watches the bytes of a plain HTTP/1 connection for requests that two servers can
// take for different ones, by which a sender behind a proxy smuggles a request past it. The
// standard library is lenient here as the RFCs allow: it takes lines that end in a bare line
// feed, prefers Transfer-Encoding to a Content-Length beside it, and folds equal repeated
// ones into one. Here each of them ends the connection. A request that came in one piece
// with the one before it is never answered; the connection ends after the first.
type framing struct {
	mutex sync.Mutex

	// Of the header.
	line    [len("transfer-encoding:")]byte
	length  int // of the line so far
	last    byte
	lines   int
	framers int // Content-Length and Transfer-Encoding
	broken  bool

	// Of the body.
	inBody bool
	after  int64 // bytes since the header
	begun  bool  // expect is known
	expect int64 // bytes of the body, -1 if chunked
	over   bool  // more came than belongs to it
}

// add takes bytes that were read and reports whether they are in order.
func (f *framing) add(p []byte) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.begun && f.expect >= 0 && f.after >= f.expect && !f.over {
		f.reset() // the next request, sent when the answer was
	}
	for len(p) > 0 && !f.inBody && !f.broken {
		i := bytes.IndexByte(p, '\n')
		part := p
		if i >= 0 {
			part = p[:i]
		}
		if f.length < len(f.line) {
			copy(f.line[f.length:], part)
		}
		f.length += len(part)
		if len(part) > 0 {
			f.last = part[len(part)-1]
		}
		if i < 0 {
			return true
		}
		p = p[i+1:]
		f.endLine()
	}
	f.after += int64(len(p))
	f.over = f.over || f.begun && f.expect >= 0 && f.after > f.expect
	return !f.broken
}

var framers = [][]byte{[]byte("content-length:"), []byte("transfer-encoding:")}

// endLine judges a line, which is complete but for its line feed.
func (f *framing) endLine() {
	if f.length == 0 || f.last != '\r' || f.length == 1 && f.lines == 0 {
		f.broken = true
		return
	}
	for _, name := range framers {
		if f.length > len(name) && bytes.EqualFold(f.line[:len(name)], name) {
			f.framers++
		}
	}
	f.broken = f.framers > 1
	f.inBody = f.length == 1
	f.length, f.last = 0, 0
	f.lines++
}

// begin says how long the body is that a request has, -1 if that is not said. It reports
// whether the request may be answered, and whether another may follow it.
func (f *framing) begin(expect int64) (ok, more bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.broken || f.over {
		return false, false
	}
	f.begun, f.expect = true, expect
	f.over = expect >= 0 && f.after > expect
	return true, expect >= 0 && !f.over
}

// next says that a request is over and reports whether another can follow.
func (f *framing) next() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.begun && !f.over {
		f.reset()
	}
	return !f.over
}

func (f *framing) reset() {
	f.length, f.last, f.lines, f.framers = 0, 0, 0, 0
	f.inBody, f.after, f.begun, f.expect = false, 0, false, 0
}
