package decode

import (
	"bytes"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// ini reads sections of keys and values. There is no standard, so it takes what all dialects
// read alike and refuses what they do not. Values are texts. Keys before the first section
// stand beside the sections.
func (d *document) ini() (cty.Value, error) {
	root := object{}
	sections := map[string]object{}
	current := root
	for at := 0; at < len(d.data); {
		end := len(d.data)
		next := end
		if i := bytes.IndexByte(d.data[at:], '\n'); i >= 0 {
			end = at + i
			next = end + 1
		}
		line := strings.TrimRight(string(bytes.TrimSuffix(d.data[at:end], []byte{'\r'})), " \t")
		start := at
		at = next
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if i := strings.IndexAny(line, "\r\x00"); i >= 0 {
			return cty.NilVal, d.failAt(start+i, "a control character; put the value in double quotes and escape it")
		}
		if d.nodes++; d.nodes >= d.limits.MaxNodes {
			return cty.NilVal, d.tooManyNodes()
		}
		if line[0] == ' ' || line[0] == '\t' {
			if trimmed := strings.TrimLeft(line, " \t"); trimmed[0] == '#' || trimmed[0] == ';' {
				continue
			}
			return cty.NilVal, d.failAt(start, "an indented line, which some programs take for the continuation of the one before; begin it at the margin")
		}
		if line[0] == '[' {
			name, err := d.iniSection(line, start)
			if err != nil {
				return cty.NilVal, err
			}
			if _, twice := sections[cty.NormalizeString(name)]; twice {
				return cty.NilVal, d.failAt(start, "duplicate section %s; put its keys together", quoteKey(name))
			}
			if !root.add(name, cty.EmptyObjectVal) {
				return cty.NilVal, d.failAt(start, "%s", duplicateKey(name))
			}
			current = object{}
			sections[cty.NormalizeString(name)] = current
			continue
		}
		key, value, err := d.iniValue(line, start)
		if err != nil {
			return cty.NilVal, err
		}
		if !current.add(key, cty.StringVal(value)) {
			return cty.NilVal, d.failAt(start, "%s", duplicateKey(key))
		}
	}
	for name, s := range sections {
		root[name] = cty.ObjectVal(s)
	}
	return cty.ObjectVal(root), nil
}

// iniSection reads [name], which begins at an offset.
func (d *document) iniSection(line string, offset int) (string, error) {
	name, rest, ok := strings.Cut(line[1:], "]")
	name = strings.Trim(name, " \t")
	switch {
	case !ok:
		return "", d.failAt(offset, "a section without its closing bracket")
	case name == "":
		return "", d.failAt(offset, "a section without a name")
	case rest != "":
		return "", d.failAt(offset+len(line)-len(rest), "more after the name of a section; put a comment on a line of its own")
	}
	return name, nil
}

// iniValue reads key = value.
func (d *document) iniValue(line string, offset int) (key, value string, err error) {
	key, value, ok := strings.Cut(line, "=")
	key = strings.TrimRight(key, " \t")
	switch {
	case !ok:
		return "", "", d.failAt(offset, "an equals sign was expected after the key")
	case key == "":
		return "", "", d.failAt(offset, "a key was expected here")
	}
	value = strings.TrimLeft(value, " \t")
	if !strings.HasPrefix(value, `"`) {
		return key, value, nil
	}
	at := offset + len(line) - len(value)
	var out []byte
	for i := 1; i < len(value); i++ {
		switch c := value[i]; c {
		case '"':
			if i+1 < len(value) {
				return "", "", d.failAt(at+i+1, "more after the closing quote")
			}
			return key, string(out), nil
		case '\\':
			if i++; i < len(value) {
				e, ok := iniEscapes[value[i]]
				if !ok {
					return "", "", d.failAt(at+i-1, `an unknown escape; write \\ for a backslash, or leave out the quotes`)
				}
				out = append(out, e)
			}
		default:
			out = append(out, c)
		}
	}
	return "", "", d.failAt(at, "a double quote without its end")
}

// iniEscapes are those of double quotes.
var iniEscapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"'}
