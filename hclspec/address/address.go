// Package address names the things a configuration declares: one Address for each
// block instance, the same value in the graph, the plan, the ledger and all JSON.
//
// It is a leaf without dependencies, so that every package may speak of addresses
// without knowing the language they are written in.
package address

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
	"unique"
)

// Type is the first part of an address: which sort of block it names.
type Type string

// The block types that have addresses. The values are what references are written with.
const (
	Variable  Type = "var"
	Local     Type = "local"
	Output    Type = "output"
	Source    Type = "source"
	Detector  Type = "detector"
	Rule      Type = "rule"
	RateLimit Type = "rate_limit"
	Sink      Type = "sink"
	Check     Type = "check"
)

// Types of what no block declares under an address of its own, so that nobody can write one. The
// Kind is the type and kind of the block that is meant ("sink.file"), or "module".
const (
	Expansion Type = "each" // the for_each or count of a repeated block: its keys, and what belongs to each
	Instances Type = "all"  // all instances of a repeated block, or all of a module call, as one value
)

// Hidden reports whether the type is one that nobody can write: it is shown to nobody either.
func (t Type) Hidden() bool { return t == Expansion || t == Instances }

// HasKind reports whether addresses of the type have a kind between type and name,
// as in source.http.app; var.x, local.x, output.x and check.x have none.
func (t Type) HasKind() bool {
	switch t {
	case Source, Detector, Rule, RateLimit, Sink:
		return true
	}
	return false
}

// IsPolicy reports whether blocks of the type have no value and are named by others: detectors,
// rules and rate limits.
func (t Type) IsPolicy() bool { return t == Detector || t == Rule || t == RateLimit }

func (t Type) valid() bool {
	switch t {
	case Variable, Local, Output, Check:
		return true
	}
	return t.HasKind()
}

// Module is the path of module calls that leads to a block, in its written form:
// "" for the root module, else for example `module.a["k"].module.b`.
type Module string

// ModuleCall is the type of a module call as a whole where others refer to it: module.x. What it
// declares has that as its Module.
const ModuleCall Type = "module"

// A Step is one call on the path of a module.
type Step struct {
	Name string
	Key  Key
}

// Steps returns the calls that lead to the module, from the root on.
func (m Module) Steps() []Step {
	var out []Step
	p := parser{in: string(m)}
	for p.pos < len(p.in) {
		p.pos += len("module.")
		name, _ := p.name()
		key, _ := p.key()
		out = append(out, Step{name, key})
		_ = p.dot()
	}
	return out
}

// Join returns the path of what inner is when seen from m.
func (m Module) Join(inner Module) Module {
	if m == Root || inner == Root {
		return m + inner
	}
	return m + "." + inner
}

// Within returns the path from outer to m, and false if m is not outer or inside of it.
func (m Module) Within(outer Module) (Module, bool) {
	if outer == Root || m == outer {
		return m[len(outer):], true
	}
	rest, ok := strings.CutPrefix(string(m), string(outer)+".")
	return Module(rest), ok
}

// ParseModule reads the path of a module that is written without anything behind it.
func ParseModule(s string) (Module, bool) {
	path := Root
	p := parser{in: s}
	for {
		if word, err := p.name(); err != nil || word != "module" || p.dot() != nil {
			return Root, false
		}
		name, err := p.name()
		if err != nil {
			return Root, false
		}
		key, err := p.key()
		if err != nil {
			return Root, false
		}
		path = path.Child(name, key)
		if p.pos == len(s) {
			return path, true
		}
		if p.dot() != nil {
			return Root, false
		}
	}
}

// Parent returns the module in which the call of m stands, and that call; false for the root.
func (m Module) Parent() (Module, Step, bool) {
	steps := m.Steps()
	if len(steps) == 0 {
		return Root, Step{}, false
	}
	parent := Root
	for _, s := range steps[:len(steps)-1] {
		parent = parent.Child(s.Name, s.Key)
	}
	return parent, steps[len(steps)-1], true
}

// Root is the path of the root module.
const Root Module = ""

// Child returns the path of the call name (with instance key, or NoKey) inside m.
func (m Module) Child(name string, key Key) Module {
	s := "module." + name + key.String()
	if m == Root {
		return Module(s)
	}
	return m + "." + Module(s)
}

// Key is an instance key: nothing, an integer (count) or a string (for_each).
// The zero value is NoKey. Keys are comparable.
//
// An Address is kept a dozen times for each block, and most have no key, so a key is a handle.
type Key struct{ of unique.Handle[keyParts] }

type keyParts struct {
	kind keyKind
	num  int
	str  string
}

// parts are those of NoKey for the zero value, which is the handle of nothing.
func (k Key) parts() keyParts {
	if k == NoKey {
		return keyParts{}
	}
	return k.of.Value()
}

type keyKind uint8

const (
	noKey keyKind = iota
	intKey
	stringKey
)

// NoKey is the key of a block that is not repeated.
var NoKey = Key{}

// IntKey returns the key of a count instance.
func IntKey(n int) Key { return Key{unique.Make(keyParts{kind: intKey, num: n})} }

// StringKey returns the key of a for_each instance.
func StringKey(s string) Key { return Key{unique.Make(keyParts{kind: stringKey, str: s})} }

// String returns the key with its brackets, quoted as in the language (`["web"]`,
// `[0]`), or "" for NoKey.
func (k Key) String() string {
	switch p := k.parts(); p.kind {
	case intKey:
		return "[" + strconv.Itoa(p.num) + "]"
	case stringKey:
		return "[" + quote(p.str) + "]"
	}
	return ""
}

// Int returns the number of an integer key.
func (k Key) Int() (int, bool) {
	p := k.parts()
	return p.num, p.kind == intKey
}

// Str returns the text of a string key.
func (k Key) Str() (string, bool) {
	p := k.parts()
	return p.str, p.kind == stringKey
}

// Address names one instance of one block. It is comparable and may be a map key.
type Address struct {
	Module Module
	Type   Type
	Kind   string // "" where the type has no kinds
	Name   string
	Key    Key
}

// Of returns the address of an unrepeated block of the root module.
func Of(t Type, kind, name string) Address {
	return Address{Type: t, Kind: kind, Name: name}
}

// IsZero reports whether a names nothing.
func (a Address) IsZero() bool { return a == Address{} }

// String returns the address as it is written in the language and on the command line.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	var b strings.Builder
	if a.Module != Root {
		b.WriteString(string(a.Module))
		b.WriteByte('.')
	}
	b.WriteString(string(a.Type))
	if a.Kind != "" {
		b.WriteByte('.')
		b.WriteString(a.Kind)
	}
	b.WriteByte('.')
	b.WriteString(a.Name)
	b.WriteString(a.Key.String())
	return b.String()
}

// Block returns the address without its instance key: the block that declares it.
func (a Address) Block() Address {
	a.Key = NoKey
	return a
}

// Expansion returns the address of the for_each or count of a block.
func (a Address) Expansion() Address { return a.hidden(Expansion) }

// Instances returns the address of all instances of a block as one value.
func (a Address) Instances() Address { return a.hidden(Instances) }

func (a Address) hidden(t Type) Address {
	kind := string(a.Type)
	if a.Kind != "" {
		kind += "." + a.Kind
	}
	return Address{Module: a.Module, Type: t, Kind: kind, Name: a.Name}
}

// Grouped returns the block whose Expansion or Instances a is, and the block of any other address.
func (a Address) Grouped() Address {
	if !a.Type.Hidden() {
		return a.Block()
	}
	t, kind, _ := strings.Cut(a.Kind, ".")
	return Address{Module: a.Module, Type: Type(t), Kind: kind, Name: a.Name}
}

// Less orders addresses by module, type, kind, name and key, numbers before texts.
func (a Address) Less(b Address) bool { return a.Compare(b) < 0 }

// Compare returns -1, 0 or +1 in the order of Less.
func (a Address) Compare(b Address) int {
	if a.Module != b.Module {
		return strings.Compare(string(a.Module), string(b.Module))
	}
	if a.Type != b.Type {
		return strings.Compare(string(a.Type), string(b.Type))
	}
	if a.Kind != b.Kind {
		return strings.Compare(a.Kind, b.Kind)
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return a.Key.Compare(b.Key)
}

// Compare orders keys: none, then numbers, then texts.
func (k Key) Compare(l Key) int {
	if k == l {
		return 0
	}
	a, b := k.parts(), l.parts()
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.num, b.num), strings.Compare(a.str, b.str))
}

// MarshalText writes the address in its written form.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	p, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = p
	return nil
}

// Parse reads an address in its written form. The error says where it stops making sense.
func Parse(s string) (Address, error) {
	p := parser{in: s}
	a, err := p.address()
	if err != nil {
		return Address{}, fmt.Errorf("parse address %q: %w", s, err)
	}
	return a, nil
}

type parser struct {
	in  string
	pos int
}

func (p *parser) address() (Address, error) {
	var a Address
	word, err := p.name()
	if err != nil {
		return a, err
	}
	for word == "module" {
		if err := p.dot(); err != nil {
			return a, err
		}
		name, err := p.name()
		if err != nil {
			return a, err
		}
		key, err := p.key()
		if err != nil {
			return a, err
		}
		a.Module = a.Module.Child(name, key)
		if err := p.dot(); err != nil {
			return a, err
		}
		if word, err = p.name(); err != nil {
			return a, err
		}
	}
	a.Type = Type(word)
	if !a.Type.valid() {
		return a, fmt.Errorf("%q is not one of source, sink, detector, rule, rate_limit, var, local, output", word)
	}
	if err := p.dot(); err != nil {
		return a, err
	}
	if a.Name, err = p.name(); err != nil {
		return a, err
	}
	if a.Type.HasKind() {
		a.Kind = a.Name
		if err := p.dot(); err != nil {
			return a, fmt.Errorf("%w (an address of a %s reads %s.KIND.NAME)", err, word, word)
		}
		if a.Name, err = p.name(); err != nil {
			return a, err
		}
	}
	if a.Key, err = p.key(); err != nil {
		return a, err
	}
	if p.pos != len(p.in) {
		return a, fmt.Errorf("unexpected %q at offset %d", p.in[p.pos:], p.pos)
	}
	return a, nil
}

func (p *parser) dot() error {
	if p.pos >= len(p.in) || p.in[p.pos] != '.' {
		return fmt.Errorf("expected a dot at offset %d", p.pos)
	}
	p.pos++
	return nil
}

func (p *parser) name() (string, error) {
	start := p.pos
	for p.pos < len(p.in) {
		r, n := utf8.DecodeRuneInString(p.in[p.pos:])
		if r == utf8.RuneError && n <= 1 {
			return "", fmt.Errorf("invalid UTF-8 at offset %d", p.pos)
		}
		if r != '_' && !unicode.IsLetter(r) && (p.pos == start || (r != '-' && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Mc, r) && !unicode.Is(unicode.Pc, r))) {
			break
		}
		p.pos += n
	}
	if p.pos == start {
		return "", fmt.Errorf("expected a name at offset %d", start)
	}
	return p.in[start:p.pos], nil
}

func (p *parser) key() (Key, error) {
	if p.pos >= len(p.in) || p.in[p.pos] != '[' {
		return NoKey, nil
	}
	p.pos++
	if p.pos < len(p.in) && p.in[p.pos] == '"' {
		text, err := p.quoted()
		if err != nil {
			return NoKey, err
		}
		return StringKey(text), p.closing()
	}
	end := strings.IndexByte(p.in[p.pos:], ']')
	if end < 0 {
		return NoKey, fmt.Errorf("missing ] after offset %d", p.pos)
	}
	n, err := strconv.Atoi(p.in[p.pos : p.pos+end])
	if err != nil || n < 0 || strconv.Itoa(n) != p.in[p.pos:p.pos+end] {
		return NoKey, fmt.Errorf("%q is neither a number nor a quoted text", p.in[p.pos:p.pos+end])
	}
	p.pos += end
	return IntKey(n), p.closing()
}

func (p *parser) closing() error {
	if p.pos >= len(p.in) || p.in[p.pos] != ']' {
		return fmt.Errorf("missing ] at offset %d", p.pos)
	}
	p.pos++
	return nil
}

// quoted reads a text in the language's quotes, the inverse of quote.
func (p *parser) quoted() (string, error) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.in); i++ {
		switch c := p.in[i]; c {
		case '"':
			if !utf8.ValidString(b.String()) {
				return "", fmt.Errorf("invalid UTF-8 in the text at offset %d", p.pos)
			}
			p.pos = i + 1
			return b.String(), nil
		case '$', '%':
			b.WriteByte(c)
			if strings.HasPrefix(p.in[i+1:], string(c)+"{") {
				i++ // the doubled sign that escapes a template sequence
			}
		case '\\':
			i++
			if i >= len(p.in) {
				return "", fmt.Errorf("unfinished escape at offset %d", i-1)
			}
			switch p.in[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case '"', '\\':
				b.WriteByte(p.in[i])
			case 'u':
				if i+4 >= len(p.in) {
					return "", fmt.Errorf("unfinished escape at offset %d", i-1)
				}
				n, err := strconv.ParseUint(p.in[i+1:i+5], 16, 32)
				if err != nil {
					return "", fmt.Errorf("bad escape at offset %d", i-1)
				}
				b.WriteRune(rune(n))
				i += 4
			case 'U':
				if i+8 >= len(p.in) {
					return "", fmt.Errorf("unfinished escape at offset %d", i-1)
				}
				n, err := strconv.ParseUint(p.in[i+1:i+9], 16, 32)
				if err != nil || n > unicode.MaxRune {
					return "", fmt.Errorf("bad escape at offset %d", i-1)
				}
				b.WriteRune(rune(n))
				i += 8
			default:
				return "", fmt.Errorf("unknown escape \\%c at offset %d", p.in[i], i-1)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("missing closing quote after offset %d", p.pos)
}

// quote writes a text as the language does, control characters escaped, so that an
// address is one printable line whatever its keys hold.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
