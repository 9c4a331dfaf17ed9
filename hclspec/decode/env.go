package decode

import (
	"bytes"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// env reads assignments as a .env file has them. Values are texts, and nothing in them is
// expanded: a $ is a $.
func (d *document) env() (cty.Value, error) {
	r := &envReader{document: d}
	attrs := object{}
	for {
		r.blank()
		if r.at == len(d.data) {
			return cty.ObjectVal(attrs), nil
		}
		start := r.at
		name, err := r.name()
		if err != nil {
			return cty.NilVal, err
		}
		value, err := r.value()
		if err != nil {
			return cty.NilVal, err
		}
		if r.nodes++; r.nodes >= d.limits.MaxNodes {
			return cty.NilVal, d.tooManyNodes()
		}
		if !attrs.add(name, cty.StringVal(value)) {
			return cty.NilVal, d.failAt(start, "%s", duplicateKey(name))
		}
	}
}

type envReader struct {
	*document
	at int // the next byte
}

func (r *envReader) peek() byte {
	if r.at < len(r.data) {
		return r.data[r.at]
	}
	return 0
}

// space passes over blanks of a line.
func (r *envReader) space() {
	for r.peek() == ' ' || r.peek() == '\t' {
		r.at++
	}
}

// endOfLine is where the rest of the line ends, before its \n or \r\n.
func (r *envReader) endOfLine() int {
	end := len(r.data)
	if i := bytes.IndexByte(r.data[r.at:], '\n'); i >= 0 {
		end = r.at + i
		if i > 0 && r.data[end-1] == '\r' {
			end--
		}
	}
	return end
}

// blank passes over empty lines and comments, up to the beginning of an assignment.
func (r *envReader) blank() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		case '#':
			r.at = r.endOfLine()
		default:
			return
		}
	}
}

// name reads "NAME =" or "export NAME=".
func (r *envReader) name() (string, error) {
	start := r.at
	name := r.word()
	if name == "export" && (r.peek() == ' ' || r.peek() == '\t') {
		r.space()
		if r.peek() != '=' { // a variable of that name
			start = r.at
			name = r.word()
		}
	}
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "", r.failAt(start, "a name was expected here: letters, digits and underscores, not a digit first")
	}
	r.space()
	if r.peek() != '=' {
		return "", r.failAt(r.at, "an equals sign was expected after the name")
	}
	r.at++
	r.space()
	return name, nil
}

func (r *envReader) word() string {
	start := r.at
	for c := r.peek(); c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'; c = r.peek() {
		r.at++
	}
	return string(r.data[start:r.at])
}

func (r *envReader) value() (string, error) {
	var value string
	var err error
	switch r.peek() {
	case '\'':
		value, err = r.literal()
	case '"':
		value, err = r.quoted()
	case '`':
		return "", r.failAt(r.at, "a value in backticks; put it in single or double quotes")
	default:
		return r.plain()
	}
	if err != nil {
		return "", err
	}
	r.space()
	if r.peek() == '#' {
		r.at = r.endOfLine()
	}
	if r.at != r.endOfLine() {
		return "", r.failAt(r.at, "more after the closing quote; one line holds one value")
	}
	return value, nil
}

// plain reads up to a comment, which a blank precedes, or the end of the line.
func (r *envReader) plain() (string, error) {
	line := string(r.data[r.at:r.endOfLine()])
	r.at += len(line)
	if strings.HasPrefix(line, "#") { // a comment after blanks, and no value
		return "", nil
	}
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	if i := strings.IndexAny(line, "\r\x00"); i >= 0 {
		return "", r.failAt(r.at-len(line)+i, "a control character in a value")
	}
	return strings.TrimRight(line, " \t"), nil
}

// literal reads what stands in single quotes, over several lines if need be.
func (r *envReader) literal() (string, error) {
	start := r.at + 1
	for i := start; i < len(r.data); i++ {
		switch r.data[i] {
		case '\'':
			r.at = i + 1
			return string(r.data[start:i]), nil
		case 0:
			return "", r.failAt(i, "a control character in a value")
		}
	}
	return "", r.failAt(start-1, "a single quote without its end")
}

// envEscapes are those of double quotes.
var envEscapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"', '$': '$', '`': '`'}

func (r *envReader) quoted() (string, error) {
	start := r.at
	var out []byte
	for i := start + 1; i < len(r.data); i++ {
		switch c := r.data[i]; c {
		case '"':
			r.at = i + 1
			return string(out), nil
		case '\\':
			i++
			if i == len(r.data) {
				break
			}
			e, ok := envEscapes[r.data[i]]
			if !ok {
				return "", r.failAt(i-1, `an unknown escape; write \\ for a backslash, or put the value in single quotes`)
			}
			out = append(out, e)
		case 0:
			return "", r.failAt(i, "a control character in a value")
		default:
			out = append(out, c)
		}
	}
	return "", r.failAt(start, "a double quote without its end")
}
