package decode

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/zclconf/go-cty/cty"
)

// toml reads a document from the parser's expressions and not through toml.Unmarshal,
// which turns floats into doubles and looks for duplicate keys in time quadratic in their
// number. Dates and times become strings as RFC 3339 writes them, or the date or
// time part of that, with the digits of a fraction as they are written.
func (d *document) toml() (_ cty.Value, err error) {
	// The parser is foreign code that signals its own bugs by a panic.
	defer func() {
		if p := recover(); p != nil {
			err = d.failf("the parser failed on this document; simplify it, or use JSON")
		}
	}()
	if err := d.scanTOML(); err != nil {
		return cty.NilVal, err
	}
	r := &tomlReader{document: d, root: newTable(tableHeader)}
	r.current, r.currentDepth = r.root, 1
	r.parser.Reset(d.data)
	for r.parser.NextExpression() {
		if err := r.expression(r.parser.Expression()); err != nil {
			return cty.NilVal, err
		}
	}
	if err := r.parser.Error(); err != nil {
		return cty.NilVal, r.parserError(err)
	}
	return r.root.finish(), nil
}

// scanTOML holds what makes values and long keys, outside strings and comments, to the
// limits before the parser spends memory on each.
func (d *document) scanTOML() error {
	nodes, dots := 1, 0
	for i := 0; i < len(d.data); i++ {
		switch d.data[i] {
		case ',', '=', '[', '{':
			nodes++
			dots = 0
		case '.':
			dots++
		case '\n':
			dots = 0
		case '#':
			for i+1 < len(d.data) && d.data[i+1] != '\n' {
				i++
			}
		case '"', '\'':
			i = skipTOMLString(d.data, i)
		}
		if nodes > d.limits.MaxNodes {
			return d.tooManyNodes()
		}
		if dots > d.limits.MaxDepth {
			return d.tooDeep(i)
		}
	}
	return nil
}

// skipTOMLString returns the index of the last character of the string that starts at i.
func skipTOMLString(data []byte, i int) int {
	quote := data[i]
	escapes := quote == '"'
	triple := string([]byte{quote, quote, quote})
	if strings.HasPrefix(string(data[i:min(i+3, len(data))]), triple) {
		for i += 3; i < len(data); i++ {
			switch {
			case escapes && data[i] == '\\':
				i++
			case data[i] == quote && string(data[i:min(i+3, len(data))]) == triple:
				return i + 2
			}
		}
		return i
	}
	for i++; i < len(data) && data[i] != quote && data[i] != '\n'; i++ {
		if escapes && data[i] == '\\' {
			i++
		}
	}
	return i
}

// tomlReader builds tables from expressions.
type tomlReader struct {
	*document
	parser       unstable.Parser
	root         *tomlTable
	current      *tomlTable // that key-values belong to
	currentDepth int
}

// tableOrigin is how a table came to be, which decides what may still be added to it.
type tableOrigin int

const (
	tableImplied tableOrigin = iota // on the way to another [header]
	tableHeader                     // by its own [header]
	tableDotted                     // by a dotted key
)

// tomlTable is a table while it can still grow. Its entries are *tomlTable, *tomlArray, or a
// cty.Value, which is closed.
type tomlTable struct {
	origin  tableOrigin
	entries map[string]any
}

// tomlArray is an array of [[tables]], never empty.
type tomlArray struct{ tables []*tomlTable }

func newTable(origin tableOrigin) *tomlTable {
	return &tomlTable{origin: origin, entries: map[string]any{}}
}

func (t *tomlTable) finish() cty.Value {
	attrs := make(map[string]cty.Value, len(t.entries))
	for k, e := range t.entries {
		switch e := e.(type) {
		case *tomlTable:
			attrs[k] = e.finish()
		case *tomlArray:
			elements := make([]cty.Value, len(e.tables))
			for i, t := range e.tables {
				elements[i] = t.finish()
			}
			attrs[k] = cty.TupleVal(elements)
		case cty.Value:
			attrs[k] = e
		}
	}
	return cty.ObjectVal(attrs)
}

func (r *tomlReader) expression(e *unstable.Node) error {
	switch e.Kind {
	case unstable.Table, unstable.ArrayTable:
		return r.header(e)
	case unstable.KeyValue:
		return r.keyValue(r.current, e, r.currentDepth)
	}
	return r.failf("the parser found something unknown; simplify the document, or use JSON")
}

// header opens the table that following key-values belong to.
func (r *tomlReader) header(e *unstable.Node) error {
	t, depth := r.root, 1
	for it := e.Key(); it.Next(); {
		k := it.Node()
		name := cty.NormalizeString(string(k.Data))
		depth++
		if depth > r.limits.MaxDepth {
			return r.tooDeepNode(k)
		}
		found, exists := t.entries[name]
		if it.IsLast() {
			return r.open(t, k, name, e.Kind == unstable.ArrayTable, depth)
		}
		switch f := found.(type) {
		case *tomlTable:
			t = f
		case *tomlArray:
			t = f.tables[len(f.tables)-1]
			depth++
		default:
			if exists {
				return r.failKey(k, "the key %s has a value already and cannot be a table too", quoteKey(name))
			}
			next := newTable(tableImplied)
			if err := r.count(); err != nil {
				return err
			}
			t.entries[name] = next
			t = next
		}
	}
	return nil
}

// open makes or reopens the table at the end of a header.
func (r *tomlReader) open(in *tomlTable, k *unstable.Node, name string, array bool, depth int) error {
	found, exists := in.entries[name]
	if err := r.count(); err != nil {
		return err
	}
	if array {
		a, ok := found.(*tomlArray)
		switch {
		case !exists:
			a = &tomlArray{}
			in.entries[name] = a
		case !ok:
			return r.failKey(k, "the key %s is there already and is no array of tables", quoteKey(name))
		}
		depth++
		if depth > r.limits.MaxDepth {
			return r.tooDeepNode(k)
		}
		r.current, r.currentDepth = newTable(tableHeader), depth
		a.tables = append(a.tables, r.current)
		return nil
	}
	if !exists {
		r.current, r.currentDepth = newTable(tableHeader), depth
		in.entries[name] = r.current
		return nil
	}
	t, ok := found.(*tomlTable)
	if !ok || t.origin != tableImplied {
		return r.failKey(k, "%s", duplicateKey(name))
	}
	t.origin = tableHeader
	r.current, r.currentDepth = t, depth
	return nil
}

// keyValue adds one `key = value`, whose key may be dotted, to t.
func (r *tomlReader) keyValue(t *tomlTable, e *unstable.Node, depth int) error {
	for it := e.Key(); it.Next(); {
		k := it.Node()
		name := cty.NormalizeString(string(k.Data))
		found, exists := t.entries[name]
		if it.IsLast() {
			if exists {
				return r.failKey(k, "%s", duplicateKey(name))
			}
			v, err := r.value(e.Value(), k, depth)
			if err != nil {
				return err
			}
			t.entries[name] = v
			return nil
		}
		depth++
		if depth > r.limits.MaxDepth {
			return r.tooDeepNode(k)
		}
		next, ok := found.(*tomlTable)
		switch {
		case !exists:
			if err := r.count(); err != nil {
				return err
			}
			next = newTable(tableDotted)
			t.entries[name] = next
		case !ok || next.origin != tableDotted:
			return r.failKey(k, "the key %s is defined already and cannot be added to here", quoteKey(name))
		}
		t = next
	}
	return nil
}

func (r *tomlReader) count() error {
	r.nodes++
	if r.nodes > r.limits.MaxNodes {
		return r.tooManyNodes()
	}
	return nil
}

// value reads the value n of key k inside depth containers.
func (r *tomlReader) value(n, k *unstable.Node, depth int) (cty.Value, error) {
	if err := r.count(); err != nil {
		return cty.NilVal, err
	}
	switch n.Kind {
	case unstable.String:
		return cty.StringVal(string(n.Data)), nil
	case unstable.Bool:
		return cty.BoolVal(n.Data[0] == 't'), nil
	case unstable.Array, unstable.InlineTable:
		if depth >= r.limits.MaxDepth {
			return cty.NilVal, r.tooDeepNode(k)
		}
		if n.Kind == unstable.Array {
			return r.array(n, k, depth+1)
		}
		t := newTable(tableHeader)
		for it := n.Children(); it.Next(); {
			if err := r.keyValue(t, it.Node(), depth+1); err != nil {
				return cty.NilVal, err
			}
		}
		return t.finish(), nil
	}
	v, err := tomlScalar(n)
	if err != nil {
		return cty.NilVal, r.failKey(k, "the value of %s: %s", quoteKey(string(k.Data)), err)
	}
	return v, nil
}

func (r *tomlReader) array(n, k *unstable.Node, depth int) (cty.Value, error) {
	var elements []cty.Value
	for it := n.Children(); it.Next(); {
		v, err := r.value(it.Node(), k, depth)
		if err != nil {
			return cty.NilVal, err
		}
		elements = append(elements, v)
	}
	return cty.TupleVal(elements), nil
}

func tomlScalar(n *unstable.Node) (cty.Value, error) {
	s := string(n.Data)
	switch n.Kind {
	case unstable.Integer:
		return tomlInteger(strings.ReplaceAll(s, "_", ""))
	case unstable.Float:
		if strings.HasSuffix(s, "inf") || strings.HasSuffix(s, "nan") {
			return cty.NilVal, errors.New("not a number, or an infinite one; quote it to make it a string")
		}
		return number(strings.ReplaceAll(s, "_", ""))
	default:
		return tomlTime(n.Kind, s)
	}
}

func tomlInteger(s string) (cty.Value, error) {
	base := 10
	if len(s) > 2 && s[0] == '0' {
		base = 0
	}
	if _, err := strconv.ParseInt(s, base, 64); err != nil {
		return cty.NilVal, errors.New("an integer of more than 64 bits, which TOML does not have; write it as a string")
	}
	if base == 10 {
		return number(s)
	}
	return integer(s[2:], map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]])
}

// tomlTime checks a date or a time and writes it as RFC 3339 does.
func tomlTime(kind unstable.Kind, s string) (cty.Value, error) {
	out := s
	if kind == unstable.DateTime || kind == unstable.LocalDateTime {
		out = strings.ToUpper(s[:10] + "T" + s[11:])
	}
	if kind != unstable.LocalDate {
		out = withSeconds(out)
	}
	var err error
	switch kind {
	case unstable.LocalDate:
		err = new(toml.LocalDate).UnmarshalText([]byte(out))
	case unstable.LocalTime:
		err = new(toml.LocalTime).UnmarshalText([]byte(out))
	case unstable.LocalDateTime:
		err = new(toml.LocalDateTime).UnmarshalText([]byte(out))
	case unstable.DateTime:
		if _, err = time.Parse(time.RFC3339, out); err == nil && out[len("2006-01-02T15")] != ':' {
			err = errors.New("an hour of one digit") // which time.Parse takes (golang/go#54580)
		}
	default:
		err = errors.New("unknown kind")
	}
	if err != nil {
		return cty.NilVal, errors.New("no such date or time; quote it to make it a string")
	}
	return cty.StringVal(out), nil
}

// withSeconds adds the seconds that TOML lets one leave out after hours and minutes.
func withSeconds(s string) string {
	at := strings.IndexByte(s, ':') + 3 // after HH:MM
	if at > len(s) || at < len(s) && s[at] == ':' {
		return s
	}
	return s[:at] + ":00" + s[at:]
}

func (r *tomlReader) failKey(k *unstable.Node, format string, args ...any) *SyntaxError {
	return r.failAt(int(k.Raw.Offset), format, args...)
}

func (r *tomlReader) tooDeepNode(k *unstable.Node) *SyntaxError {
	return r.tooDeep(int(k.Raw.Offset))
}

// tomlFound is a character of the document in a message of the parser.
var tomlFound = regexp.MustCompile(`(?s) U\+[0-9A-F]+( '.')?`)

// parserError takes over what the parser complains about, less the character it found.
func (r *tomlReader) parserError(err error) error {
	var pe *unstable.ParserError
	if !errors.As(err, &pe) {
		return r.failf("not readable as TOML")
	}
	at := int(r.parser.Range(pe.Highlight).Offset)
	if strings.Contains(pe.Message, "nested more than") {
		return r.tooDeep(at)
	}
	message, _, _ := strings.Cut(pe.Message, " but got ")
	return r.failAt(at, "%s", tomlFound.ReplaceAllString(message, ""))
}
