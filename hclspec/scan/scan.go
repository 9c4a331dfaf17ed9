// Package scan looks at a text in HCL before it is parsed: the parser recurses without a bound,
// and Go cannot recover from a stack overflow.
//
// What happens when this fails? A text that might end the process is refused with an *Error,
// and must not be parsed. It never refuses for what a person writes: the bounds are far from that.
package scan

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The limits that hold before anything is parsed.
const (
	// MaxNesting is how deep brackets, template sequences and template directives may
	// stand inside each other. hclsyntax overflows the stack near 70,000.
	MaxNesting = 200
	// maxChain bounds the other way to a deep syntax tree: operators, indexes and
	// conditionals one after the other (a + a + a ..., !!!!a, a[0][0]...).
	maxChain = 10_000
)

// An Error says what is wrong with a text that must not reach the parser, and where.
type Error struct {
	Offset  int // in bytes from the start of the scanned text
	Summary string
	Detail  string
}

// Config reports whether src, a file or an expression in native syntax, is safe to
// hand to hclsyntax; nil means that it is. It mirrors the modes of hclsyntax's lexer
// (scan_tokens.rl) exactly where it matters, which is what is text and what is code,
// and overestimates everything else.
func Config(src []byte) *Error {
	s := scanner{src: src}
	s.frames = append(s.frames, frame{})
	return s.run()
}

// Template does the same for a bare template: a templatefile, or a string in JSON.
func Template(src []byte) *Error {
	s := scanner{src: src}
	s.frames = append(s.frames, frame{open: '"'})
	s.templates = append(s.templates, template{bare: true})
	return s.run()
}

// A frame is one open bracket, quote or template sequence. Within it, chain counts the
// operators since the last separator; the depth of the tree is bounded by chain plus
// what the deepest inner frame of the same segment weighs.
type frame struct {
	open     byte // 0 for the file, '"' for any template, '$' for ${ and %{
	chain    int
	inner    int
	deepest  int
	newlines bool // newlines do not separate: the inside of a for expression
}

func (f *frame) endSegment() {
	f.deepest = max(f.deepest, f.chain+f.inner)
	f.chain, f.inner = 0, 0
}

// A template is an open string, heredoc or bare template.
type template struct {
	bare       bool
	marker     []byte // of a heredoc; nil for a quoted string
	lineStart  bool
	directives int // open if and for directives
	total      int // if and for directives seen
}

type scanner struct {
	src       []byte
	pos       int
	frames    []frame
	nesting   int
	peak      int // the highest nesting
	templates []template
	braces    int   // as the lexer counts them; may become negative
	returns   []int // brace counts at which a } continues the template around it
	err       *Error
}

// run drives the two modes: inside a template's text, or in code. Templates and the
// sequences inside them alternate, so the two stacks' lengths tell the mode.
func (s *scanner) run() *Error {
	for s.err == nil && s.pos < len(s.src) {
		if len(s.templates) > len(s.returns) {
			s.text()
		} else {
			s.code()
		}
	}
	for s.err == nil && len(s.frames) > 1 {
		s.pop()
	}
	if s.err == nil {
		s.frames[0].endSegment()
		s.weigh(s.frames[0].deepest)
	}
	return s.err
}

func (s *scanner) fail(offset int, summary, detail string) {
	if s.err == nil {
		s.err = &Error{Offset: min(offset, len(s.src)), Summary: summary, Detail: detail}
	}
}

func (s *scanner) top() *frame { return &s.frames[len(s.frames)-1] }

func (s *scanner) push(open byte, offset int) {
	s.frames = append(s.frames, frame{open: open})
	if open != '"' {
		s.nest(offset)
	}
}

func (s *scanner) nest(offset int) {
	s.nesting++
	s.peak = max(s.peak, s.nesting)
	if s.nesting > MaxNesting {
		s.fail(offset, "Nesting too deep",
			"Brackets and templates may stand at most 200 deep inside each other. Split the expression with locals, or check for a bracket that is never closed.")
	}
}

func (s *scanner) pop() {
	f := *s.top()
	f.endSegment()
	s.frames = s.frames[:len(s.frames)-1]
	if f.open != '"' {
		s.nesting--
	}
	parent := s.top()
	parent.inner = max(parent.inner, f.deepest+1)
	s.weigh(parent.chain + parent.inner)
}

func (s *scanner) operator() {
	f := s.top()
	f.chain++
	if f.chain > maxChain {
		s.weigh(f.chain)
	}
}

func (s *scanner) weigh(depth int) {
	if depth > maxChain {
		s.fail(s.pos, "Expression too long",
			"One expression may chain at most 10,000 operators. Split it with locals.")
	}
}

// code reads one token outside of template text.
func (s *scanner) code() {
	c := s.src[s.pos]
	switch {
	case c == ' ' || c == '\t' || c == '\r':
		s.pos++
	case c == '\n':
		s.newline()
	case isWordByte(c):
		s.word()
	case c == '"':
		s.push('"', s.pos)
		s.templates = append(s.templates, template{})
		s.pos++
	case c == '#', c == '/' && s.next(1) == '/':
		s.lineComment()
	case c == '/' && s.next(1) == '*':
		s.blockComment()
	case c == '<' && s.next(1) == '<':
		s.heredoc()
	default:
		s.symbol(c)
	}
}

func (s *scanner) next(n int) byte {
	if s.pos+n < len(s.src) {
		return s.src[s.pos+n]
	}
	return 0
}

// newline ends a segment where the parser sees newlines: between the items of bodies and
// objects, but not in parentheses, lists, template sequences and for expressions.
func (s *scanner) newline() {
	if f := s.top(); f.open == 0 || f.open == '{' && !f.newlines {
		f.endSegment()
	}
	s.pos++
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// word passes over an identifier or a number. Dashes belong to an identifier only after
// a letter that Unicode calls one; where that would have to be looked up they are counted
// as operators, which is the safe side.
func (s *scanner) word() {
	start, foreign := s.pos, s.src[s.pos] <= '9'
	for s.pos < len(s.src) && (isWordByte(s.src[s.pos]) || s.src[s.pos] == '-') {
		foreign = foreign || s.src[s.pos] >= 0x80
		s.pos++
	}
	if foreign {
		for range bytes.Count(s.src[start:s.pos], []byte{'-'}) {
			s.operator()
		}
	}
	if exponentTooLong(s.src[start:]) {
		s.fail(start, outOfRange, outOfRangeDetail)
	}
}

const (
	outOfRange       = "Number out of range"
	outOfRangeDetail = "A number here is larger than 1e4900 or nearer to zero than 1e-4900. Write it as a text."
	maxExponent      = 6 // digits, far beyond what is accepted when it was parsed
)

// exponentTooLong reports whether a text begins with a number whose exponent has so many digits that
// the parser takes the number for zero or for infinite.
func exponentTooLong(src []byte) bool {
	digits := func() (n int) {
		for n < len(src) && src[n] >= '0' && src[n] <= '9' {
			n++
		}
		return n
	}
	n := digits()
	if src = src[n:]; n == 0 || len(src) == 0 || src[0] != 'e' && src[0] != 'E' {
		return false
	}
	if src = src[1:]; len(src) > 0 && (src[0] == '+' || src[0] == '-') {
		src = src[1:]
	}
	for len(src) > 0 && src[0] == '0' {
		src = src[1:]
	}
	return digits() > maxExponent
}

func (s *scanner) lineComment() {
	end := bytes.IndexByte(s.src[s.pos:], '\n')
	if end < 0 {
		s.pos = len(s.src)
		return
	}
	s.pos += end
	s.newline()
}

// blockComment refuses a comment that never ends: the lexer would take its opening for
// operators and read on, so that text which looks like a comment is code.
func (s *scanner) blockComment() {
	end := bytes.Index(s.src[s.pos+2:], []byte("*/"))
	if end < 0 {
		s.fail(s.pos, "Unterminated comment", "This comment has no closing */ before the end of the file.")
		return
	}
	s.pos += 2 + end + 2
}

func (s *scanner) heredoc() {
	line := s.src[s.pos+2:]
	end := bytes.IndexByte(line, '\n')
	if end < 0 {
		s.symbol('<')
		return
	}
	marker := bytes.TrimSuffix(line[:end], []byte{'\r'})
	marker = bytes.TrimPrefix(marker, []byte{'-'})
	if len(marker) > 256 || !hclsyntax.ValidIdentifier(string(marker)) {
		s.longMarker(marker)
		s.symbol('<')
		return
	}
	s.push('"', s.pos)
	s.templates = append(s.templates, template{marker: marker, lineStart: true})
	s.pos += 2 + end + 1
}

// longMarker refuses what might be a valid marker of absurd length rather than look at
// it again for each << of the line.
func (s *scanner) longMarker(marker []byte) {
	if len(marker) > 256 && !bytes.ContainsAny(marker, " \t\"{}()[]=,") {
		s.fail(s.pos, "Heredoc marker too long", "The marker of a heredoc may have at most 256 bytes.")
	}
}

const operators = "!-+*/%<>=&|?:~^"

func (s *scanner) symbol(c byte) {
	at := s.pos
	s.pos++
	switch c {
	case '{':
		s.push('{', at)
		s.top().newlines = s.atFor()
		s.braces++
	case '(':
		s.push('(', at)
	case '[':
		s.operator() // a[0][0] nests the syntax tree, not the text
		s.push('[', at)
	case ')':
		s.closeBracket('(')
	case ']':
		s.closeBracket('[')
	case '}':
		s.closeBrace()
	case ',':
		s.top().endSegment()
	default:
		if strings.IndexByte(operators, c) >= 0 {
			s.operator()
		}
	}
}

// atFor reports whether the word for follows, after blanks and comments.
func (s *scanner) atFor() bool {
	rest := bytes.TrimLeft(s.src[s.pos:min(len(s.src), s.pos+64)], " \t\r\n")
	return bytes.HasPrefix(rest, []byte("for")) || bytes.HasPrefix(rest, []byte("#")) ||
		bytes.HasPrefix(rest, []byte("/")) || len(rest) == 0
}

// closeBracket ignores a bracket that closes nothing: the parser will say so, and the
// count can only become too high.
func (s *scanner) closeBracket(open byte) {
	if s.top().open == open {
		s.pop()
	}
}

// closeBrace leaves the code of a template sequence, or a body or object. Like the lexer
// it looks at braces alone, so that brackets left open inside are dropped.
func (s *scanner) closeBrace() {
	if n := len(s.returns); n > 0 && s.returns[n-1] == s.braces {
		s.popTo('$')
		s.returns = s.returns[:n-1]
	} else {
		s.popTo('{')
	}
	s.braces--
}

// popTo closes frames up to the innermost one opened by open, within the same template.
func (s *scanner) popTo(open byte) {
	for i := len(s.frames) - 1; i > 0; i-- {
		if s.frames[i].open == open {
			for len(s.frames) > i {
				s.pop()
			}
			return
		}
		if s.frames[i].open == '"' || s.frames[i].open == '$' {
			return
		}
	}
}
