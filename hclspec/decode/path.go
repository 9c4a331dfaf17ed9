package decode

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Path names places inside a value, for what a comparison leaves out. ParsePath makes
// one; the zero Path names nothing.
type Path struct {
	text  string
	steps []step
}

// step is one part of a path. Only one of its ways to match holds, but for a number
// after a dot, which is both a name and an index.
type step struct {
	name    string
	hasName bool
	index   int // -1: none
	any     bool
}

func (s step) matches(p place) bool {
	if s.any {
		return true
	}
	if p.isKey {
		return s.hasName && s.name == p.key
	}
	return s.index >= 0 && s.index == p.index
}

// place is where an element is in its container.
type place struct {
	key   string
	isKey bool
	index int // -1 in a set, whose elements have no place
}

// String returns the path as it was written.
func (p Path) String() string { return p.text }

// ParsePath reads a path such as generated_at, meta.*.ts, items[*].ts, a["b.c"] or
// a[0]. Keys are separated by dots; `*` stands for any one key or index; a key with
// a dot, a bracket, a quote or a star in it is written ["so"]. A number after a dot is a key or an
// index, whichever the value has.
func ParsePath(s string) (Path, error) {
	fail := func(at int, what string) (Path, error) {
		return Path{}, fmt.Errorf("the path %s is wrong at character %d: %s", quoteKey(s), at+1, what)
	}
	p := Path{text: s}
	for i := 0; i < len(s) || i == 0; {
		switch {
		case i < len(s) && s[i] == '[':
			st, n, err := bracketStep(s[i:])
			if err != nil {
				return fail(i, err.Error())
			}
			p.steps = append(p.steps, st)
			i += n
			if i < len(s) && s[i] != '.' && s[i] != '[' {
				return fail(i, "a dot or a bracket was expected")
			}
		default:
			if i > 0 && s[i] == '.' {
				i++
			}
			n := strings.IndexAny(s[i:], ".[")
			if n < 0 {
				n = len(s) - i
			}
			st, err := dotStep(s[i : i+n])
			if err != nil {
				return fail(i, err.Error())
			}
			p.steps = append(p.steps, st)
			i += n
		}
	}
	return p, nil
}

func dotStep(s string) (step, error) {
	switch {
	case s == "":
		return step{}, errors.New("a key is missing")
	case s == "*":
		return step{any: true, index: -1}, nil
	case strings.Contains(s, "*"):
		return step{}, errors.New(`* stands for a whole key; write ["a*"] for a key that has a star in it`)
	case strings.ContainsAny(s, "]\" \t\n"):
		return step{}, errors.New(`write ["the key"] for a key with spaces, quotes or brackets`)
	}
	st := step{name: cty.NormalizeString(s), hasName: true, index: -1}
	if n, ok := index(s); ok {
		st.index = n
	}
	return st, nil
}

// bracketStep reads [*], [0] or ["key"] from the start of s, and how long it is.
func bracketStep(s string) (step, int, error) {
	if strings.HasPrefix(s, `["`) {
		quoted, err := strconv.QuotedPrefix(s[1:])
		if err != nil {
			return step{}, 0, errors.New("the quoted key has no end")
		}
		n := 1 + len(quoted)
		if !strings.HasPrefix(s[n:], "]") {
			return step{}, 0, errors.New("] was expected after the quoted key")
		}
		key, err := strconv.Unquote(quoted)
		if err != nil {
			return step{}, 0, errors.New("the quoted key is wrong")
		}
		return step{name: cty.NormalizeString(key), hasName: true, index: -1}, n + 1, nil
	}
	inner, _, ok := strings.Cut(s[1:], "]")
	if !ok {
		return step{}, 0, errors.New("] is missing")
	}
	if inner == "*" {
		return step{any: true, index: -1}, 3, nil
	}
	n, ok := index(inner)
	if !ok {
		return step{}, 0, errors.New(`brackets hold *, a number or a key in quotes`)
	}
	return step{index: n}, len(inner) + 2, nil
}

func index(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, false
	}
	return int(n), true
}

// trail is the rest of each path that still applies below some place.
type trail [][]step

func newTrail(paths []Path) trail {
	var t trail
	for _, p := range paths {
		if len(p.steps) > 0 {
			t = append(t, p.steps)
		}
	}
	return t
}

// Covers reports whether the path names the element that keys lead to, or one that it is in. A
// key is a string, an index an int; -1 stands for a member of a set.
func (p Path) Covers(keys []any) bool {
	if len(p.steps) == 0 || len(p.steps) > len(keys) {
		return false
	}
	for i, s := range p.steps {
		at := place{index: -1}
		switch key := keys[i].(type) {
		case string:
			at.key, at.isKey = key, true
		case int:
			at.index = key
		}
		if !s.matches(at) {
			return false
		}
	}
	return true
}

// below returns what applies inside the element at p, and whether a path ends there.
func (t trail) below(p place) (rest trail, gone bool) {
	for _, steps := range t {
		if !steps[0].matches(p) {
			continue
		}
		if len(steps) == 1 {
			return nil, true
		}
		rest = append(rest, steps[1:])
	}
	return rest, false
}

// Without returns v less all that the paths name. A container from which something
// was taken becomes an object or a tuple, whatever it was; all others keep their type. Marks
// stay. Null and unknown values have nothing inside.
func Without(v cty.Value, ignore []Path) cty.Value {
	out, _ := without(v, newTrail(ignore))
	return out
}

func without(v cty.Value, t trail) (cty.Value, bool) {
	if len(t) == 0 {
		return v, false
	}
	plain, marks := v.Unmark()
	if plain.IsNull() || !plain.IsKnown() || !plain.CanIterateElements() {
		return v, false
	}
	changed := false
	attrs := map[string]cty.Value{}
	var elements []cty.Value
	keyed := isKeyed(plain.Type())
	for p, e := range children(plain) {
		rest, gone := t.below(p)
		if gone {
			changed = true
			continue
		}
		e, c := without(e, rest)
		changed = changed || c
		if keyed {
			attrs[p.key] = e
		} else {
			elements = append(elements, e)
		}
	}
	switch {
	case !changed:
		return v, false
	case keyed:
		return cty.ObjectVal(attrs).WithMarks(marks), true
	default:
		return cty.TupleVal(elements).WithMarks(marks), true
	}
}
