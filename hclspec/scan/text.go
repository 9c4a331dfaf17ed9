package scan

import "bytes"

// text reads one piece of a template's literal text, up to the sequence, end or line
// that follows it.
func (s *scanner) text() {
	t := &s.templates[len(s.templates)-1]
	if t.marker != nil && t.lineStart && s.endOfHeredoc(t) {
		return
	}
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case c == '$' || c == '%':
			if s.sequence(t, c) {
				return
			}
		case c == '\\' && t.marker == nil && !t.bare:
			s.pos += 2
		case c == '"' && t.marker == nil && !t.bare:
			s.pos++
			s.endTemplate()
			return
		case c == '\n' && t.marker != nil:
			s.pos++
			t.lineStart = true
			return
		default:
			s.pos++
		}
	}
	s.pos = len(s.src) // an escape may have stepped over the end
}

// sequence handles a $ or %: an escape ($${), an opening (${) or plain text. It reports
// whether code follows.
func (s *scanner) sequence(t *template, c byte) bool {
	if s.next(1) == c && s.next(2) == '{' {
		s.pos += 3
		return false
	}
	if s.next(1) != '{' {
		s.pos++
		return false
	}
	t.lineStart = false
	at := s.pos
	s.pos += 2
	if s.next(0) == '~' {
		s.pos++
	}
	if c == '%' {
		s.directive(t, at)
	}
	s.push('$', at)
	s.braces++
	s.returns = append(s.returns, s.braces)
	return true
}

// directive counts if and for, which nest without brackets. Whatever is not clearly an
// else or an end counts as one of them. Their total is bounded as well, because the
// parser's recovery may skip an end that stands here.
func (s *scanner) directive(t *template, at int) {
	word := bytes.TrimLeft(s.src[s.pos:min(len(s.src), s.pos+64)], " \t\r\n")
	switch {
	case bytes.HasPrefix(word, []byte("else")):
	case bytes.HasPrefix(word, []byte("endif")), bytes.HasPrefix(word, []byte("endfor")):
		if t.directives > 0 {
			t.directives--
			s.nesting--
		}
	default:
		t.directives++
		t.total++
		s.nest(at)
		if t.total > maxChain {
			s.fail(at, "Too many template directives",
				"One template may hold at most 10,000 if and for directives. Split it.")
		}
	}
}

// endOfHeredoc reports whether the line at hand is the closing marker, and if so leaves
// the heredoc. A marker without a newline after it closes nothing.
func (s *scanner) endOfHeredoc(t *template) bool {
	end := bytes.IndexByte(s.src[s.pos:], '\n')
	if end < 0 || !bytes.Equal(bytes.TrimSpace(s.src[s.pos:s.pos+end]), t.marker) {
		t.lineStart = false
		return false
	}
	s.pos += end // the newline itself is code again
	s.endTemplate()
	return true
}

func (s *scanner) endTemplate() {
	last := len(s.templates) - 1
	s.nesting -= s.templates[last].directives
	s.templates = s.templates[:last]
	s.pop()
}
