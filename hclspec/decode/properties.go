package decode

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// properties reads what java.util.Properties loads from a reader: key and value divided by =,
// : or a blank, lines continued by a backslash, and its escapes. The text is UTF-8. All keys stay
// as they are, with their dots, and all values are texts.
func (d *document) properties() (cty.Value, error) {
	attrs := object{}
	for at := 0; at < len(d.data); {
		line, next := d.propertiesLine(at)
		at = next
		if line == nil {
			continue
		}
		key, value, err := line.split()
		if err != nil {
			return cty.NilVal, err
		}
		if d.nodes++; d.nodes >= d.limits.MaxNodes {
			return cty.NilVal, d.tooManyNodes()
		}
		if !attrs.add(key, cty.StringVal(value)) {
			return cty.NilVal, d.failAt(line.offset(0), "%s", duplicateKey(key))
		}
	}
	return cty.ObjectVal(attrs), nil
}

// A propertiesLine is a line with those that continue it. Its text has the escapes still.
type propertiesLine struct {
	*document
	text []byte
	from []lineStart
}

// lineStart says where in the document a part of the text comes from.
type lineStart struct{ text, document int }

// offset is the place in the document of a byte of the text.
func (l *propertiesLine) offset(i int) int {
	at := l.from[0]
	for _, f := range l.from {
		if f.text > i {
			break
		}
		at = f
	}
	return at.document + i - at.text
}

// propertiesLine returns the line that begins at an offset, nil for a blank one or a comment,
// and where the next one begins.
func (d *document) propertiesLine(at int) (line *propertiesLine, next int) {
	line = &propertiesLine{document: d}
	for first := true; ; first = false {
		for at < len(d.data) && strings.IndexByte(" \t\f", d.data[at]) >= 0 {
			at++
		}
		end := len(d.data)
		if i := bytes.IndexAny(d.data[at:], "\r\n"); i >= 0 {
			end = at + i
		}
		next = end
		if end < len(d.data) {
			next++
			if d.data[end] == '\r' && next < len(d.data) && d.data[next] == '\n' {
				next++
			}
		}
		part := d.data[at:end]
		if first && (len(part) == 0 || part[0] == '#' || part[0] == '!') {
			return nil, next
		}
		line.from = append(line.from, lineStart{len(line.text), at})
		bare := bytes.TrimRight(part, `\`)
		if (len(part)-len(bare))%2 == 0 || end == len(d.data) {
			line.text = append(line.text, part...)
			return line, next
		}
		line.text = append(line.text, part[:len(part)-1]...)
		at = next
	}
}

// split returns key and value without their escapes.
func (l *propertiesLine) split() (key, value string, err error) {
	end := 0
	for end < len(l.text) && strings.IndexByte("=: \t\f", l.text[end]) < 0 {
		if l.text[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(l.text))
	at := end
	skip := func() {
		for at < len(l.text) && strings.IndexByte(" \t\f", l.text[at]) >= 0 {
			at++
		}
	}
	skip()
	if at < len(l.text) && (l.text[at] == '=' || l.text[at] == ':') {
		at++
		skip()
	}
	if key, err = l.unescape(0, end); err != nil {
		return "", "", err
	}
	if key == "" {
		return "", "", l.failAt(l.offset(0), "a key was expected here")
	}
	value, err = l.unescape(at, len(l.text))
	return key, value, err
}

func (l *propertiesLine) unescape(from, to int) (string, error) {
	if bytes.IndexByte(l.text[from:to], '\\') < 0 {
		return string(l.text[from:to]), nil
	}
	out := make([]byte, 0, to-from)
	for i := from; i < to; i++ {
		c := l.text[i]
		if c != '\\' || i+1 == to { // Java drops a backslash at the very end
			if c != '\\' {
				out = append(out, c)
			}
			continue
		}
		i++
		switch c = l.text[i]; c {
		case 't':
			out = append(out, '\t')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 'f':
			out = append(out, '\f')
		case 'u':
			r, n, err := l.unicode(i - 1)
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			i += n - 2
		default:
			out = append(out, c)
		}
	}
	return string(out), nil
}

// unicode reads the escape at i, and the second one of a pair; n is how long they are.
func (l *propertiesLine) unicode(i int) (r rune, n int, err error) {
	first, ok := hexEscape(l.text[i:])
	switch {
	case !ok:
		return 0, 0, l.failAt(l.offset(i), `\u needs four hexadecimal digits`)
	case !utf16.IsSurrogate(first):
		return first, 6, nil
	}
	if second, ok := hexEscape(l.text[i+6:]); ok {
		if r = utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, 12, nil
		}
	}
	return 0, 0, l.failAt(l.offset(i), `half of a surrogate pair (\ud800 to \udfff); the other half is missing`)
}

// hexEscape reads \uXXXX at the beginning of a text.
func hexEscape(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	return hex4(s[2:6])
}
