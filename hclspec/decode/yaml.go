package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"go.yaml.in/yaml/v4"
)

// yaml reads one document by the core schema of YAML 1.2: y, yes, on and dates are
// strings, 0o17 and 0x1f are numbers. A number with a leading zero (0644 is 420 in
// YAML 1.1 and 644 in 1.2) is refused, and so are tags outside the core schema.
//
// A scalar key is its text as written, 1 being the same key as "1". The merge key << takes
// what is not in the mapping itself; among several merged mappings the first one wins.
// The separators U+0085, U+2028 and U+2029 must be written as escapes.
// An alias may be used where its anchor stands before it, and counts in full against the limits.
func (d *document) yaml() (_ cty.Value, err error) {
	// The parser is foreign code that signals its own bugs by a panic.
	defer func() {
		if p := recover(); p != nil {
			err = d.failf("the parser failed on this document; simplify it, or use JSON")
		}
	}()
	if len(bytes.TrimSpace(d.data)) == 0 {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	if err := d.yamlControls(); err != nil {
		return cty.NilVal, err
	}
	data, err := d.yamlVersion()
	if err != nil {
		return cty.NilVal, err
	}
	// The parser compares each %TAG directive with all before it.
	if bytes.Count(d.data, []byte("%TAG")) > maxTagDirectives {
		return cty.NilVal, d.failf("more than %d %%TAG directives; they have no use here, as tags of one's own are not supported", maxTagDirectives)
	}
	if yamlNodesAtMost(d.data) > d.limits.MaxNodes {
		return cty.NilVal, d.tooManyNodes()
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(yamlLimits{d.limits.MaxDepth}))
	if err != nil {
		return cty.NilVal, d.failf("the parser did not start: %s", err)
	}
	var doc, second yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		return cty.NullVal(cty.DynamicPseudoType), nil
	case err != nil:
		return cty.NilVal, d.yamlError(err)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return cty.NilVal, d.failNode(&second, "a second document starts here; a source holds exactly one")
	case !errors.Is(err, io.EOF):
		return cty.NilVal, d.yamlError(err)
	}
	if len(doc.Content) != 1 {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	r := &yamlReader{document: d, anchored: map[*yaml.Node]*yamlValue{}}
	v, err := r.value(doc.Content[0], 0)
	if err != nil {
		return cty.NilVal, err
	}
	return v.value, nil
}

const maxTagDirectives = 1000

// yamlControls refuses control characters, for which the parser has no position, and the
// three separators that it takes for line ends, as YAML 1.1 did, and would turn into spaces.
func (d *document) yamlControls() error {
	for i, c := range d.data {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return d.failAt(i, "a control character; write it as an escape in double quotes")
		}
	}
	for _, separator := range []string{"\u0085", "\u2028", "\u2029"} {
		if at := bytes.Index(d.data, []byte(separator)); at >= 0 {
			return d.failAt(at, "a line separator (%+q) that versions of YAML read differently; write it as an escape in double quotes", []rune(separator)[0])
		}
	}
	return nil
}

// yamlVersion reads the %YAML directive before the document. Version 1.1 is refused. 1.2 is what
// is read here, but the parser takes 1.1 only: the directive becomes a comment.
func (d *document) yamlVersion() ([]byte, error) {
	at := 0
	for line := range bytes.Lines(d.data) {
		switch trimmed := bytes.TrimSpace(line); {
		case bytes.HasPrefix(line, []byte("%YAML")):
			f := bytes.Fields(line)
			if len(f) > 1 && (string(f[1]) == "1.1" || string(f[1]) == "1.0") {
				return nil, d.failAt(at, "%%YAML 1.1 asks for rules that are not followed here (yes as true, 0644 as octal); use 1.2, or remove the line")
			}
			if len(f) > 1 && string(f[0]) == "%YAML" && string(f[1]) == "1.2" {
				data := bytes.Clone(d.data)
				data[at] = '#'
				return data, nil
			}
		case len(trimmed) > 0 && trimmed[0] != '#' && trimmed[0] != '%':
			return d.data, nil
		}
		at += len(line)
	}
	return d.data, nil
}

// yamlLimits stops the parser itself, which keeps a stack for each level.
type yamlLimits struct{ depth int }

var errYAMLDepth = errors.New("too deep")

func (l yamlLimits) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > l.depth {
		return errYAMLDepth
	}
	return nil
}

// CheckAlias has nothing to do: the reader below counts aliases by what they stand for.
func (l yamlLimits) CheckAlias(int, int) error { return nil }

// yamlNodesAtMost is how many nodes data can hold at most, counted by the characters that
// make them, before a parser spends some 300 bytes on each. In prose it counts too many, but
// far fewer than there are bytes.
func yamlNodesAtMost(data []byte) int {
	n := 2
	for i, c := range data {
		switch c {
		case ',', '[', '{':
			n++
		case '-', '?':
			if i+1 == len(data) || isYAMLBreak(data[i+1]) {
				n++
			}
		case ':':
			if i+1 == len(data) || isYAMLBreak(data[i+1]) || i > 0 && strings.IndexByte("\"']}", data[i-1]) >= 0 {
				n += 2
			}
		}
	}
	return n
}

// isYAMLBreak reports whether c ends an indicator before it.
func isYAMLBreak(c byte) bool { return strings.IndexByte(" \t\r\n,[]{}", c) >= 0 }

// yamlError takes over what the parser complains about, but for what it quotes: an alias
// or a tag may be a password that someone forgot to put in quotes.
func (d *document) yamlError(err error) error {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return d.failf("not readable as YAML")
	}
	message := le.Message
	switch {
	case strings.Contains(message, errYAMLDepth.Error()):
		message = tooDeepMessage(d.limits.MaxDepth)
	case strings.HasPrefix(message, "unknown anchor"):
		message = "an alias without an anchor before it; quote a value that starts with *"
	case strings.HasSuffix(message, "in a YAML tag"):
		message = "a character that a tag cannot have; quote a value that starts with !"
	}
	e := d.failf("%s", message)
	e.Line, e.Column = le.Mark.Line, le.Mark.Column
	return e
}

func (d *document) failNode(n *yaml.Node, format string, args ...any) *SyntaxError {
	e := d.failf(format, args...)
	e.Line, e.Column = n.Line, n.Column
	return e
}

// yamlValue is a value with what it costs when it is written out.
type yamlValue struct {
	value cty.Value
	nodes int   // values in it, itself included
	bytes int64 // length of its scalars and keys
	depth int   // levels in it: 0 for a scalar
}

// yamlReader turns nodes into values. An anchored node is turned once and its value
// shared, so that time and memory follow the document and not its expansion.
type yamlReader struct {
	*document
	anchored map[*yaml.Node]*yamlValue // nil while the node is being read
}

// value reads n, which has depth containers around it.
func (r *yamlReader) value(n *yaml.Node, depth int) (v *yamlValue, err error) {
	if n.Kind == yaml.AliasNode {
		return r.alias(n, depth)
	}
	if n.Anchor != "" {
		r.anchored[n] = nil
		defer func() { r.anchored[n] = v }()
	}
	switch n.Kind {
	case yaml.ScalarNode:
		value, err := r.scalar(n)
		if err != nil {
			return nil, err
		}
		return &yamlValue{value: value, nodes: 1, bytes: int64(len(n.Value))}, nil
	case yaml.SequenceNode:
		return r.sequence(n, depth)
	case yaml.MappingNode:
		return r.mapping(n, depth)
	}
	return nil, r.failNode(n, "a value was expected here")
}

func (r *yamlReader) alias(n *yaml.Node, depth int) (*yamlValue, error) {
	v, ok := r.anchored[n.Alias]
	if !ok || v == nil {
		return nil, r.failNode(n, "an alias inside what it names, or to a list under <<; write the value out")
	}
	if depth+v.depth > r.limits.MaxDepth {
		return nil, r.tooDeepNode(n)
	}
	return v, nil
}

func (r *yamlReader) tooDeepNode(n *yaml.Node) error {
	return r.failNode(n, "%s", tooDeepMessage(r.limits.MaxDepth))
}

// include counts v as a part of whole.
func (r *yamlReader) include(whole, v *yamlValue, n *yaml.Node) error {
	whole.nodes += v.nodes
	whole.bytes += v.bytes
	whole.depth = max(whole.depth, v.depth+1)
	if whole.nodes > r.limits.MaxNodes {
		return r.failNode(n, "with its aliases written out, the document holds more than %d values", r.limits.MaxNodes)
	}
	if whole.bytes > r.limits.MaxBytes {
		return r.failNode(n, "with its aliases written out, the document is larger than %d bytes", r.limits.MaxBytes)
	}
	return nil
}

func (r *yamlReader) sequence(n *yaml.Node, depth int) (*yamlValue, error) {
	if depth >= r.limits.MaxDepth {
		return nil, r.tooDeepNode(n)
	}
	if n.Tag != "!!seq" && n.Tag != "!" {
		return nil, r.badTag(n)
	}
	whole := &yamlValue{nodes: 1, depth: 1}
	elements := make([]cty.Value, 0, len(n.Content))
	for _, c := range n.Content {
		v, err := r.value(c, depth+1)
		if err != nil {
			return nil, err
		}
		if err := r.include(whole, v, c); err != nil {
			return nil, err
		}
		elements = append(elements, v.value)
	}
	whole.value = cty.TupleVal(elements)
	return whole, nil
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) (*yamlValue, error) {
	if depth >= r.limits.MaxDepth {
		return nil, r.tooDeepNode(n)
	}
	if n.Tag != "!!map" && n.Tag != "!" {
		return nil, r.badTag(n)
	}
	whole := &yamlValue{nodes: 1, depth: 1}
	attrs := object{}
	var merge *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		if isMergeKey(k) {
			if merge != nil {
				return nil, r.failNode(k, "duplicate key \"<<\"; merge several mappings as a list, <<: [*a, *b]")
			}
			merge = c
			continue
		}
		key, err := r.key(k)
		if err != nil {
			return nil, err
		}
		v, err := r.value(c, depth+1)
		if err != nil {
			return nil, err
		}
		whole.bytes += int64(len(key))
		if err := r.include(whole, v, c); err != nil {
			return nil, err
		}
		if !attrs.add(key, v.value) {
			return nil, r.failNode(k, "%s", duplicateKey(key))
		}
	}
	if merge != nil {
		if err := r.merge(attrs, whole, merge, depth); err != nil {
			return nil, err
		}
	}
	whole.value = cty.ObjectVal(attrs)
	return whole, nil
}

// isMergeKey reports whether k is a plain <<; a quoted one is a key like any other.
func isMergeKey(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Tag == "!!merge"
}

// merge adds what attrs does not have yet from a mapping or a list of mappings.
func (r *yamlReader) merge(attrs object, whole *yamlValue, from *yaml.Node, depth int) error {
	parts := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		parts = from.Content
	}
	for _, part := range parts {
		target := part
		if part.Kind == yaml.AliasNode {
			target = part.Alias
		}
		if target.Kind != yaml.MappingNode {
			return r.failNode(part, "<< takes a mapping or a list of mappings; quote it to use it as a key")
		}
		v, err := r.value(part, depth)
		if err != nil {
			return err
		}
		// All of it counts, also what is not taken: the work is the same.
		deepest := max(whole.depth, v.depth)
		if err := r.include(whole, v, part); err != nil {
			return err
		}
		whole.depth = deepest
		for p, e := range children(v.value) {
			attrs.add(p.key, e)
		}
	}
	return nil
}

// key returns the text of a key as written.
func (r *yamlReader) key(k *yaml.Node) (string, error) {
	n := k
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", r.failNode(k, "a list or a mapping as a key; only text, numbers and booleans can be keys")
	case n.Tag == "!!null":
		return "", r.failNode(k, "an empty or null key; quote it if it is meant")
	}
	if _, err := r.scalar(n); err != nil && n.Style&yaml.TaggedStyle != 0 {
		return "", err
	}
	if k.Anchor != "" {
		r.anchored[k] = &yamlValue{value: cty.StringVal(n.Value), nodes: 1, bytes: int64(len(n.Value))}
	}
	return n.Value, nil
}

var (
	yamlDecimal = regexp.MustCompile(`^[-+]?[0-9]+$`)
	yamlOctal   = regexp.MustCompile(`^0o[0-7]+$`)
	yamlHex     = regexp.MustCompile(`^0x[0-9a-fA-F]+$`)
	yamlFloat   = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	yamlNotReal = regexp.MustCompile(`^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

// scalar gives a plain scalar the type that its text has in the core schema, and all
// others the type string. A tag of the core schema must agree with the text.
func (r *yamlReader) scalar(n *yaml.Node) (cty.Value, error) {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	tagged := n.Style&yaml.TaggedStyle != 0
	switch {
	case tagged && n.Tag == "!!str", tagged && n.Tag == "!!timestamp", n.Tag == "!":
		return cty.StringVal(n.Value), nil
	case tagged && !isCoreTag(n.Tag):
		return cty.NilVal, r.badTag(n)
	case !tagged && n.Style&quoted != 0:
		return cty.StringVal(n.Value), nil
	}
	tag, v, err := coreScalar(n.Value)
	if err != nil {
		return cty.NilVal, r.failNode(n, "%s", err)
	}
	if tagged && tag != n.Tag && (tag != "!!int" || n.Tag != "!!float") {
		return cty.NilVal, r.failNode(n, "the value is not what its tag %s says", n.Tag)
	}
	return v, nil
}

func isCoreTag(tag string) bool {
	switch tag {
	case "!!null", "!!bool", "!!int", "!!float":
		return true
	}
	return false
}

func (r *yamlReader) badTag(n *yaml.Node) error {
	switch n.Tag {
	case "!!binary", "!!set", "!!omap", "!!pairs", "!!timestamp", "!!merge", "!!value",
		"!!str", "!!null", "!!bool", "!!int", "!!float", "!!seq", "!!map":
		return r.failNode(n, "the tag %s cannot be used here; leave it out, and write the value as plain text, a list or a mapping", n.Tag)
	}
	return r.failNode(n, "a tag of its own making; leave it out, or quote a value that starts with !")
}

// coreScalar resolves plain text, with the tag that it would have.
func coreScalar(s string) (tag string, v cty.Value, err error) {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return "!!null", cty.NullVal(cty.DynamicPseudoType), nil
	case "true", "True", "TRUE":
		return "!!bool", cty.True, nil
	case "false", "False", "FALSE":
		return "!!bool", cty.False, nil
	}
	if !strings.ContainsRune("+-.0123456789", rune(s[0])) {
		return "!!str", cty.StringVal(s), nil
	}
	switch {
	case yamlDecimal.MatchString(s):
		if digits := strings.TrimLeft(s, "+-"); len(digits) > 1 && digits[0] == '0' {
			return "", cty.NilVal, errors.New("a number with a leading zero is octal in YAML 1.1 and decimal in 1.2; write 0o for octal, leave the zero out, or quote it")
		}
		v, err = number(s)
		return "!!int", v, err
	case yamlOctal.MatchString(s):
		v, err = integer(s[2:], 8)
		return "!!int", v, err
	case yamlHex.MatchString(s):
		v, err = integer(s[2:], 16)
		return "!!int", v, err
	case yamlFloat.MatchString(s):
		v, err = number(s)
		return "!!float", v, err
	case yamlNotReal.MatchString(s):
		return "", cty.NilVal, fmt.Errorf("not a number, or an infinite one; quote it to make it a string")
	}
	return "!!str", cty.StringVal(s), nil
}
